"""The beginning and the end of a file of any size."""

import os
import stat
from pathlib import Path

_HEAD = 32 * 1024  # bytes
_TAIL = 64 * 1024
_CUT = "\n"


def read_excerpt(path: Path) -> str | None:
    """The first 32 KiB and the last 64 KiB, cut at line ends; None for what is no regular file.

    Where a piece is all one line it is kept as it is.
    Bytes that are no UTF-8 are replaced. Raises OSError where the file cannot be read.
    """
    # A FIFO without a writer would block even the opening.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size <= _HEAD + _TAIL:
            return file.read(_HEAD + _TAIL).decode(errors="replace")
        head = file.read(_HEAD).decode(errors="replace")
        file.seek(status.st_size - _TAIL)
        tail = file.read(_TAIL).decode(errors="replace")
    return (head.rpartition(_CUT)[0] or head) + _CUT + (tail.partition(_CUT)[2] or tail)
