"""The first and the last bytes of a file of any size, which is to be handed on."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEnds:
    """Of a file of ``size`` bytes. ``tail`` is empty where ``head`` is all of it."""

    head: bytes
    tail: bytes
    size: int


def read_ends(path: Path, head: int, tail: int) -> FileEnds:
    """At most ``head`` bytes of its beginning and ``tail`` of its end.

    Raises OSError, also for what is no regular file, and for a symbolic link: a job may have made
    one to a file that is not to be handed on.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "It is a symbolic link", str(path)) from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is no regular file", str(path))
    size = status.st_size
    with os.fdopen(descriptor, "rb") as file:
        if size <= head + tail:
            return FileEnds(head=file.read(head + tail), tail=b"", size=size)
        first = file.read(head)
        file.seek(size - tail)
        return FileEnds(head=first, tail=file.read(tail), size=size)
