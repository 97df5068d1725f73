"""The content of a small file that a user may have replaced by anything."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from torc_watch.core.units import MIB

_MAX_SIZE = 4 * MIB


@contextmanager
def open_small_file(path: Path) -> Iterator[BinaryIO]:
    """Raises OSError, also for what is neither a file nor a device, such as /dev/null."""
    with open(path, "rb", opener=_open_at_once) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISCHR(mode):
            raise OSError(errno.EINVAL, "It is no regular file", str(path))
        yield file


def read_small_file(path: Path) -> bytes:
    """Raises OSError as ``open_small_file`` does, and for more than 4 MiB."""
    with open_small_file(path) as file:
        content = file.read(_MAX_SIZE + 1)
    if len(content) > _MAX_SIZE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def _open_at_once(path: str, flags: int) -> int:
    """A FIFO without a writer would block even the opening."""
    return os.open(path, flags | os.O_NONBLOCK)
