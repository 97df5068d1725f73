"""A folder or an archive that is there as a whole, or not at all, and that only its user reads."""

import gzip
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_ARCHIVES = (".tar.gz", ".tgz")
_OTHER_FILES = (".zip", ".tar", ".gz", ".bz2", ".xz", ".zst", ".7z", ".html")  # not made here
_MODE, _FOLDER_MODE = 0o600, 0o700
_LEFTOVER_AGE = 86_400  # seconds
_LEVEL = 6  # of the compression: 9 takes three times as long for a hundredth less
_TIME = 315_532_800  # 1980-01-01, of every member: the same content makes the same archive


def is_archive(path: Path) -> bool:
    return path.name.endswith(_ARCHIVES)


def looks_like_file(path: Path) -> bool:
    """Whether nobody who gives this name means a folder."""
    return path.name.lower().endswith(_OTHER_FILES)


def stem(path: Path) -> str:
    """The name without the ending of an archive."""
    ending = next((each for each in _ARCHIVES if path.name.endswith(each)), "")
    return path.name.removesuffix(ending) or "handover"


@contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """A private folder beside ``target``, removed in the end unless it was published.

    Removes what killed processes left a day ago or earlier.
    """
    _remove_leftovers(target)
    draft = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _prefix(target: Path) -> str:
    return f".{target.name}.torc-watchd-"


def _remove_leftovers(target: Path) -> None:
    oldest = time.time() - _LEFTOVER_AGE
    with suppress(OSError):
        for each in target.parent.iterdir():
            if each.name.startswith(_prefix(target)) and each.lstat().st_mtime < oldest:
                if each.is_dir() and not each.is_symlink():
                    shutil.rmtree(each, ignore_errors=True)
                else:
                    each.unlink()


def write_private(path: Path, text: str) -> int:
    """Returns the bytes written. Raises OSError."""
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        return file.write(text.encode("utf-8", "replace"))


def publish_folder(draft: Path, target: Path) -> None:
    """Gives ``draft`` its name; what has it is removed once the new one is there. Raises OSError.

    An empty folder is replaced at once.
    """
    for file in draft.rglob("*"):
        _sync(file)
    before: Path | None = None
    if target.exists() and any(target.iterdir()):
        before = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        target.rename(before)  # onto an empty folder
    try:
        draft.rename(target)
    except OSError:
        if before is not None:
            before.rename(target)
        raise
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)
    _sync(target.parent)


def publish_archive(draft: Path, target: Path) -> None:
    """Writes what is in ``draft`` as one archive, with one folder in it. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=_prefix(target), dir=target.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            _write_archive(draft, stem(target), file)
            file.flush()
            os.fsync(handle)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _write_archive(draft: Path, name: str, file: BinaryIO) -> None:
    with (
        gzip.GzipFile(
            filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0
        ) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in [draft, *sorted(draft.rglob("*"))]:
            inner = Path(name) / path.relative_to(draft)
            archive.add(path, arcname=str(inner), recursive=False, filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = _TIME
    member.mode = _FOLDER_MODE if member.isdir() else _MODE
    return member


def _sync(path: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
