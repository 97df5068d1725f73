"""The folder or archive of an evidence pack. Nothing else is ever replaced by one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torc_watch.core.errors import InvalidInput
from torc_watch.core.os_errors import describe_os_error
from torc_watch.host import pack_folder
from torc_watch.render.handover_text import MANIFEST_TITLE

_MANIFEST = "MANIFEST.txt"


def default_name(workflow_id: int) -> str:
    """In the current folder."""
    return f"handover-{workflow_id}.tar.gz"


def checked_target(path: Path, *, force: bool) -> Path:
    """``path`` without links. Raises InvalidInput for one that is not to be replaced."""
    try:
        target = path.resolve()
        if not target.parent.is_dir():
            raise InvalidInput(f"There is no folder {target.parent}: make it, or give another.")
        _check(target, force=force)
    except (OSError, RuntimeError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else f"{error}."
        raise InvalidInput(f"{path} cannot be used: {reason}") from error
    return target


def _check(target: Path, *, force: bool) -> None:
    if pack_folder.is_archive(target):
        if target.exists() and not target.is_file():
            raise InvalidInput(f"{target} is there and is no file: give another name.")
        if target.exists() and not force:
            raise InvalidInput(f"{target} is there: give another name, or --force to replace it.")
    elif not target.exists() and pack_folder.looks_like_file(target):
        raise InvalidInput(
            f"{target} is no name for an archive: give one that ends in .tar.gz or .tgz, or a "
            "folder."
        )
    elif target.exists() and not target.is_dir():
        raise InvalidInput(
            f"{target} is a file: give a folder, or a name that ends in .tar.gz or .tgz."
        )
    elif target.exists() and any(target.iterdir()):
        if not _is_pack(target):
            raise InvalidInput(f"{target} is not empty and is no evidence pack: give another.")
        if not force:
            raise InvalidInput(f"{target} is there: give another name, or --force to replace it.")


def _is_pack(folder: Path) -> bool:
    manifest = folder / _MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        return False
    with manifest.open(encoding="utf-8", errors="replace") as file:
        return file.read(len(MANIFEST_TITLE)) == MANIFEST_TITLE


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """A folder to write the pack into, removed in the end. Raises InvalidInput for OSError."""
    try:
        with pack_folder.draft_folder(target) as draft:
            yield draft
    except OSError as error:
        raise InvalidInput(
            f"{target} cannot be written: {describe_os_error(error)} Nothing is left of it."
        ) from error


def publish(draft: Path, target: Path) -> None:
    """From now on it is there, as a whole. Raises OSError."""
    if pack_folder.is_archive(target):
        pack_folder.publish_archive(draft, target)
    else:
        pack_folder.publish_folder(draft, target)
