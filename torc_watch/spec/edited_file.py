"""Writes a changed specification in place of the old one, which is kept beside it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import unified_diff
from itertools import count
from pathlib import Path
from shutil import copystat

from torc_watch.core.errors import InvalidSpec
from torc_watch.core.os_errors import describe_os_error
from torc_watch.host.whole_file import write_whole
from torc_watch.spec.bounded_text import read_text
from torc_watch.spec.requirements_edit import Changes, edited

YAML_EXTENSIONS = (".yaml", ".yml")
_WRITABLE = 0o222  # by anybody
_PRIVATE = 0o600  # until it has the mode of the old file
_MARK = b"\xef\xbb\xbf"  # some editors begin a file with it


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedFile:
    """``before`` is what was read, ``after`` what it has to become."""

    path: Path
    before: str
    after: str

    @property
    def diff(self) -> Iterator[str]:
        """In the format of ``diff -u``, without line ends."""
        lines = (self.before.splitlines(), self.after.splitlines())
        return unified_diff(*lines, str(self.path), str(self.path), lineterm="", n=2)


def edit_file(path: Path, changes: Changes) -> EditedFile:
    """Nothing is written yet. Raises InvalidSpec for what cannot be edited."""
    refuse_other_formats(path)
    before = read_text(path)
    try:
        return EditedFile(path=path, before=before, after=edited(before, changes))
    except InvalidSpec as error:
        raise InvalidSpec(f"{path}: {error}") from error


def refuse_other_formats(path: Path) -> None:
    """Raises InvalidSpec for all but YAML."""
    if path.suffix.lower() not in YAML_EXTENSIONS:
        raise InvalidSpec(
            f"{path} cannot be edited: only YAML files ({', '.join(YAML_EXTENSIONS)}) can. "
            "Write the requirements into it by hand."
        )


def write_file(file: EditedFile) -> Path:
    """Replaces the file as a whole, and answers where the old one is kept.

    Raises InvalidSpec if the file has changed since it was read, or cannot be written.
    """
    target = file.path.resolve()
    try:
        old = target.read_bytes()
        if old.removeprefix(_MARK) != file.before.encode():
            raise InvalidSpec(f"{file.path} has changed meanwhile: run the command again.")
        if not target.stat().st_mode & _WRITABLE or not os.access(target, os.W_OK):
            raise InvalidSpec(f"{file.path} is read-only: make it writable, or edit a copy of it.")
        backup = _keep(target, old)
        with _removed_after_error(backup):
            write_whole(target, ("\ufeff" if old.startswith(_MARK) else "") + file.after)
    except OSError as error:
        reason = describe_os_error(error)
        raise InvalidSpec(f"{file.path} cannot be written: {reason}") from error
    return backup


def _keep(target: Path, content: bytes) -> Path:
    """Writes a copy beside it, with its mode; an earlier one is not replaced."""
    for number in count():
        backup = target.with_name(f"{target.name}.bak{number or ''}")
        with suppress(FileExistsError):
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
            with _removed_after_error(backup), os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
                copystat(target, backup)
            return backup
    raise AssertionError


@contextmanager
def _removed_after_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        path.unlink(missing_ok=True)
        raise
