"""Locks on open files (`flock`); the kernel releases one when its file closes or its process dies.

The lock belongs to the open file: a second `open` in the same process is another holder.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from torc_watch.core.errors import LocksMissing


def lock(file: int | IO[str] | IO[bytes]) -> None:
    """Waits until the open ``file`` is locked. Raises LocksMissing."""
    with _locking(file):
        fcntl.flock(file, fcntl.LOCK_EX)


def try_lock(file: int | IO[str] | IO[bytes]) -> bool:
    """Whether the open ``file`` is locked now; False when another holder has it.

    Raises LocksMissing.
    """
    try:
        with _locking(file):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def ensure_locks(folder: Path) -> None:
    """Raises LocksMissing where files in ``folder`` cannot be locked.

    Tries `flock` and the POSIX locks, which SQLite takes. Raises OSError where no file can be made.
    """
    with NamedTemporaryFile(dir=folder, prefix=".torc-watchd-") as file, _locking(file.fileno()):
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)


@contextmanager
def _locking(file: int | IO[str] | IO[bytes]) -> Iterator[None]:
    try:
        yield
    except (BlockingIOError, InterruptedError):
        raise
    except OSError as error:
        number = file if isinstance(file, int) else file.fileno()
        name = str(Path(f"/proc/self/fd/{number}").readlink())
        raise LocksMissing(error.errno, error.strerror, name) from error


def still_has_name(path: Path, file: IO[str] | IO[bytes]) -> bool:
    """Whether the open ``file`` is what ``path`` names, not replaced or removed since."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
