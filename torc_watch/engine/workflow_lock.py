"""One watch of a workflow at a time: a lock that its holder's death releases."""

import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EMFILE, ENFILE
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from torc_watch.core.errors import InvalidInput, JournalError, WatchHeld
from torc_watch.engine.journal import Identity
from torc_watch.host.file_lock import still_has_name, try_lock

_SPARE = 256  # files of this process that locks leave to everything else, such as the heartbeat


@contextmanager
def hold(directory: Path, identity: Identity, epoch: int | None = None) -> Iterator[None]:
    """Holds ``identity`` until left, or raises WatchHeld, which says who holds it.

    ``epoch`` is that of the lease under which a daemon watches. What a daemon of an earlier epoch
    holds is taken from it: it may be stopped, or hang, and is not going to change anything more.
    Raises JournalError when the folder cannot be written to, InvalidInput when this process may
    open no more files.

    The file stays when it is released, until ``remove_unused``.
    """
    name = f"{_file_name(identity)}.lock"
    while True:
        with _open_lock(directory, name) as file:
            if not try_lock(file):
                if not _is_of_earlier_epoch(file, epoch):
                    raise WatchHeld(_who_holds(identity, file))
                (directory / name).unlink(missing_ok=True)
            elif still_has_name(directory / name, file):  # else taken over after we opened it
                _sign(file, epoch)
                yield
                return


def remove_unused(directory: Path, before: float) -> None:
    """Removes locks that nobody holds, nor took since ``before``, in seconds of the epoch.

    Whoever opened one of them meanwhile finds that it has lost its name, and makes a new one.
    Raises OSError.
    """
    for path in directory.glob("*.lock"):
        with suppress(FileNotFoundError):
            if path.stat().st_ctime < before:
                _remove_free(path)


def _remove_free(path: Path) -> None:
    with path.open("r+", encoding="utf-8") as file:
        if try_lock(file) and still_has_name(path, file):
            path.unlink()


def _is_of_earlier_epoch(file: TextIO, epoch: int | None) -> bool:
    holder = _read_holder(file)
    return epoch is not None and holder is not None and (holder.get("epoch") or epoch) < epoch


def _open_lock(directory: Path, name: str) -> TextIO:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (directory / name).open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno in (EMFILE, ENFILE):
            raise _too_many_files() from error
        raise JournalError(
            f"The state folder {directory} cannot be written to: {error.strerror}. "
            "Free it, or set TORC_WATCHD_HOME to another folder."
        ) from error
    # A file is given the lowest number that is free.
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and file.fileno() >= limit - min(_SPARE, limit // 2):
        file.close()
        raise _too_many_files()
    return file


def _too_many_files() -> InvalidInput:
    return InvalidInput("No more files can be opened, and each watch needs one: raise ulimit -n.")


def _file_name(identity: Identity) -> str:
    key = f"{identity.server}\n{identity.workflow_id}\n{identity.created}"
    return f"{identity.workflow_id}-{sha256(key.encode()).hexdigest()[:12]}"


def _sign(file: TextIO, epoch: int | None) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": epoch,
    }
    # The lock is what counts, who holds it is a courtesy, and a full disk may have no room for it.
    with suppress(OSError):
        file.truncate(0)
        file.write(json.dumps(holder))
        file.flush()


def _who_holds(identity: Identity, file: TextIO) -> str:
    holder = _read_holder(file)
    who = "another process"  # about to sign
    if holder is not None:
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    return (
        f"Workflow {identity.workflow_id} is already watched by {who}. "
        "Stop that watch first, or leave the workflow to it."
    )


def _read_holder(file: TextIO) -> dict[str, Any] | None:
    try:
        file.seek(0)
        holder: dict[str, Any] = json.load(file)
    except ValueError:
        return None
    return holder
