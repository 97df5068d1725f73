"""How large files are that other machines write."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path


def file_sizes(paths: Mapping[int, str]) -> Iterator[tuple[int, int | None]]:
    """Of each file, by its key: bytes, or None where its folder is there and the file is not.

    Leaves out what is no regular file, and what cannot be looked at.
    """
    for key, path in paths.items():
        with suppress(OSError, ValueError):
            try:
                size = _size(path)
            except FileNotFoundError:
                _look_again(str(Path(path).parent))
                try:
                    size = _size(path)
                except FileNotFoundError:
                    yield key, None
                    continue
            if size is not None:
                yield key, size


def _size(path: str) -> int | None:
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        return None
    if not status.st_size:
        status = _look_again(path)
    return status.st_size


def _look_again(path: str) -> os.stat_result:
    """A client of NFS may remember for a minute what was there; it asks when a file is opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
