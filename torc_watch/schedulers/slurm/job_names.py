"""Which job numbers Slurm gave to which allocations of ours.

Slurm gives a number twice if its controller crashes within a second of giving it. Torc's server
keeps the number alone, so the name that a job must have is remembered here: a line for each number
in a file that only grows, by some 30 bytes for each allocation.
"""

from collections.abc import Mapping
from pathlib import Path


class JobNames:
    def __init__(self, path: Path) -> None:
        self._path = path
        # One value, because several threads read: the names, and of how many bytes.
        self._known: tuple[Mapping[int, str], int] = ({}, 0)

    def remember(self, names: Mapping[int, str]) -> None:
        """Raises OSError."""
        known, known_size = self._read()
        new = names.items() - known.items()
        if not new:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The newline first: what a full disk cut off shall not run into the next line.
        lines = "".join(f"\n{number} {name}" for number, name in sorted(new)).encode()
        with self._path.open("ab") as file:
            file.write(lines)
            file.flush()
            size = file.tell()
        if size == known_size + len(lines):  # nothing of others came between
            self._known = {**known, **names}, size

    def read(self) -> Mapping[int, str]:
        """The name that each number must have; none for jobs of other programs. Raises OSError."""
        names, _ = self._read()
        return names

    def _read(self) -> tuple[Mapping[int, str], int]:
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return {}, 0
        known = self._known
        if size != known[1]:
            lines = map(str.split, self._path.read_text(encoding="utf-8").splitlines())
            known = {int(line[0]): line[1] for line in lines if len(line) == 2}, size
            self._known = known
        return known
