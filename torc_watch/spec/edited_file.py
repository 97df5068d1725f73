"""Writes a changed specification in place of the old one, which is kept beside it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import unified_diff
from itertools import count
from pathlib import Path
from shutil import copystat
from tempfile import mkstemp

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.bounded_text import read_text
from torc_watch.spec.requirements_edit import Changes, edited

YAML_EXTENSIONS = (".yaml", ".yml")
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
    if path.suffix.lower() not in YAML_EXTENSIONS:
        raise InvalidSpec(
            f"{path} cannot be edited: only YAML files ({', '.join(YAML_EXTENSIONS)}) can. "
            "Write the requirements into it by hand."
        )
    before = read_text(path)
    try:
        return EditedFile(path=path, before=before, after=edited(before, changes))
    except InvalidSpec as error:
        raise InvalidSpec(f"{path}: {error}") from error


def write_file(file: EditedFile) -> Path:
    """Replaces the file as a whole, and answers where the old one is kept.

    Raises InvalidSpec if the file has changed since it was read, or cannot be written.
    """
    target = file.path.resolve()
    try:
        with _temporary_beside(target) as (temporary, write):
            old = target.read_bytes()
            if old.removeprefix(_MARK) != file.before.encode():
                raise InvalidSpec(f"{file.path} has changed meanwhile: run the command again.")
            write((_MARK if old.startswith(_MARK) else b"") + file.after.encode())
            copystat(target, temporary)
            backup = _keep(target, old)
            temporary.replace(target)
    except OSError as error:
        raise InvalidSpec(f"{file.path} cannot be written: {error.strerror}") from error
    return backup


@contextmanager
def _temporary_beside(target: Path) -> Iterator[tuple[Path, Callable[[bytes], None]]]:
    """An empty file, and how to write it. It is removed at the end if it is still there."""
    number, name = mkstemp(dir=target.parent, prefix=f".{target.name}.")

    def write(content: bytes) -> None:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

    with os.fdopen(number, "wb") as file:
        try:
            yield Path(name), write
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()


def _keep(target: Path, content: bytes) -> Path:
    """Writes a copy beside it; an earlier one is not replaced."""
    for number in count():
        backup = target.with_name(f"{target.name}.bak{number or ''}")
        with suppress(FileExistsError), backup.open("xb") as file:
            file.write(content)
            return backup
    raise AssertionError
