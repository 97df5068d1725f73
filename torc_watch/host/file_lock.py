"""Locks on open files (`flock`); the kernel releases one when its file closes or its process dies.

The lock belongs to the open file: a second `open` in the same process is another holder.
"""

import fcntl
import os
from pathlib import Path
from typing import IO


def lock(file: int | IO[str] | IO[bytes]) -> None:
    """Waits until the open ``file`` is locked. Raises OSError on a file system without locks."""
    fcntl.flock(file, fcntl.LOCK_EX)


def try_lock(file: int | IO[str] | IO[bytes]) -> bool:
    """Whether the open ``file`` is locked now; False when another holder has it.

    Raises OSError on a file system without locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def still_has_name(path: Path, file: IO[str] | IO[bytes]) -> bool:
    """Whether the open ``file`` is what ``path`` names, not replaced or removed since."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
