"""Whether files can be written into a folder: blocks, inodes and the user's quota."""

import os
from errno import EDQUOT, ENOSPC
from pathlib import Path
from tempfile import TemporaryFile

_LEAST = 64 * 2**20  # bytes that have to be free
_PROBE = 2**20  # bytes to write: no quota shows in the numbers of a file system


def has_free_room(folder: Path, *, writes: bool) -> bool:
    """Where that is not known, as of a folder that is not there, True.

    With ``writes`` a file is written and removed again.
    """
    try:
        found = os.statvfs(folder)
        if found.f_bavail * found.f_frsize < _LEAST or (found.f_files and not found.f_favail):
            return False
        if writes:
            _write(folder)
    except OSError as error:
        return error.errno not in (EDQUOT, ENOSPC)
    return True


def refuses_files(folder: Path) -> bool:
    """Whether a file of 1 MiB finds no room. Where that is not known, False."""
    try:
        _write(folder)
    except OSError as error:
        return error.errno in (EDQUOT, ENOSPC)
    return False


def _write(folder: Path) -> None:
    """Raises OSError."""
    with TemporaryFile(dir=folder) as file:
        file.write(os.urandom(_PROBE))  # zeros take no room where the file system compresses
        file.flush()
        os.fsync(file.fileno())
