"""The last lines of a file of any size, and what is appended to it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from torc_watch.core.units import KIB, MIB

_TAIL = 4096  # bytes
_CHUNK = 64 * KIB
MOST_OF_A_TAIL = MIB


def last_lines(path: Path) -> list[str]:
    """The stripped lines in the last 4 KiB of a file; empty if the file cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of a file of ``size`` bytes; ``is_cut`` says that there is more before it."""

    content: bytes
    size: int
    is_cut: bool


def read_tail(
    path: Path, lines: int, *, end: int | None = None, most: int = MOST_OF_A_TAIL
) -> Tail:
    """The last ``lines``, of the last ``most`` bytes: half a line only where that is one line.

    With ``end`` what is behind that many bytes is not looked at; ``size`` is that of the file all
    the same. Raises OSError, also for what is no regular file.
    """
    with _regular_file(path) as (file, size):
        stop = size if end is None else min(end, size)
        start = max(0, stop - most)
        file.seek(start)
        content = file.read(stop - start)
    first = _start_of_lines(content, lines)
    if start and not first:
        first = content.find(b"\n") + 1
    first = 0 if first == len(content) else first
    return Tail(content=content[first:], size=size, is_cut=start + first > 0)


def _start_of_lines(content: bytes, lines: int) -> int:
    """Where the last ``lines`` begin; the last one need not end."""
    position = len(content) - content.endswith(b"\n")
    for _ in range(lines):
        position = content.rfind(b"\n", 0, position)
        if position < 0:
            return 0
    return position + 1


def read_from(path: Path, offset: int) -> Iterator[bytes]:
    """In pieces, what a file has after ``offset`` bytes now; nothing if it has no more.

    It is opened for it: only then a network file system looks what others have written. Raises
    OSError, also for what is no regular file.
    """
    with _regular_file(path) as (file, size):
        file.seek(offset)
        while (left := size - file.tell()) > 0 and (piece := file.read(min(left, _CHUNK))):
            yield piece


def size_of(path: Path) -> int | None:
    """In bytes; None for what is not there. Raises OSError for what cannot be read."""
    try:
        with _regular_file(path) as (_, size):
            return size
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def _regular_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The open file, and its size. A FIFO without a writer would block even the opening."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "It is no regular file", str(path))
        yield file, status.st_size
