"""The evidence pack while it is made: each file without secrets, and none beyond its room."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from torc_watch.core.handover import Contents, LeftOut, PackedFile
from torc_watch.core.redaction import Redactor
from torc_watch.core.units import KIB, format_memory
from torc_watch.host.pack_folder import write_private

_RESERVED = 128 * KIB  # for README.txt and MANIFEST.txt
T = TypeVar("T")

Dump = Callable[[Mapping[str, Any]], str]


class Pack:
    """Writes into ``folder``. What does not fit into ``most`` bytes is left out, and noted."""

    def __init__(self, folder: Path, most: int, redactor: Redactor, dump: Dump) -> None:
        self.redactor = redactor
        self._folder = folder
        self._most = most
        self._dump = dump
        self._files: list[PackedFile] = []
        self._left_out: list[LeftOut] = []

    @property
    def room(self) -> int:
        """Bytes."""
        return max(0, self._most - _RESERVED - sum(file.size for file in self._files))

    def add(self, name: str, text: str, about: str, note: str = "") -> None:
        """A text that is redacted already. Raises OSError."""
        size = len(text.encode("utf-8", "replace"))
        if size > self.room:
            limit = format_memory(self._most)
            self.leave_out(name, f"too large: {size} bytes, with --max-size {limit}")
            return
        write_private(self._folder / name, text)
        self._files.append(PackedFile(name=name, size=size, about=about, note=note))

    def add_values(self, name: str, values: Mapping[str, Any], about: str, note: str = "") -> None:
        self.add(name, f"{self._dump(values)}\n", about, note)

    def leave_out(self, what: str, why: str) -> None:
        self._left_out.append(LeftOut(what=self.redactor.text(what), why=self.redactor.text(why)))

    def free_name(self, name: str) -> str:
        """``name``, or one like it where that is taken."""
        taken = {file.name for file in self._files}
        names = (name, *(f"{name}.{number}" for number in range(2, len(taken) + 3)))
        return next(each for each in names if each not in taken)

    def redact_again(self) -> None:
        """What was learned from later files is taken out of those before. Raises OSError."""
        for index, file in enumerate(self._files):
            path = self._folder / file.name
            text = path.read_text(encoding="utf-8")
            changed = self.redactor.again(text)
            if changed != text:
                self._files[index] = replace(file, size=write_private(path, changed))

    def contents(self) -> Contents:
        return Contents(
            files=tuple(self._files),
            left_out=tuple(self._left_out),
            redacted=dict(sorted(self.redactor.counts.items())),
        )

    def finish(self, name: str, text: str, about: str) -> None:
        """A file for which there is room in any case. Raises OSError."""
        size = write_private(self._folder / name, text)
        self._files.insert(0, PackedFile(name=name, size=size, about=about))


def redacted(value: T, redactor: Redactor) -> T:
    """The same with the texts of all fields redacted, whatever their names are."""
    given: Any = value
    return _redacted(given, redactor)  # type: ignore[no-any-return]


def _redacted(value: Any, redactor: Redactor) -> Any:
    found = value
    if type(value) is str:
        found = redactor.text(value)
    elif is_dataclass(value) and not isinstance(value, type):
        given = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        changes = {name: _redacted(each, redactor) for name, each in given.items()}
        found = replace(value, **changes) if changes != given else value
    elif type(value) is tuple or type(value) is list:
        found = type(value)(_redacted(each, redactor) for each in value)
    elif type(value) is dict:
        found = {key: _redacted(each, redactor) for key, each in value.items()}
    return found
