"""One watch of a workflow at a time: a lock that its holder's death releases."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TextIO

from torc_watch.core.errors import JournalError, WatchHeld
from torc_watch.engine.journal import Identity


@contextmanager
def hold(directory: Path, identity: Identity) -> Iterator[None]:
    """Holds ``identity`` until left, or raises WatchHeld, which says who holds it.

    Raises JournalError when the folder cannot be written to.

    The file stays when it is released: removing it would let two processes lock two files of one
    name.
    """
    with _open_lock(directory, f"{_file_name(identity)}.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WatchHeld(_who_holds(identity, file)) from None
        _sign(file)
        yield


def _open_lock(directory: Path, name: str) -> TextIO:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (directory / name).open("a+", encoding="utf-8")
    except OSError as error:
        raise JournalError(
            f"The state folder {directory} cannot be written to: {error.strerror}. "
            "Free it, or set TORC_WATCHD_HOME to another folder."
        ) from error


def _file_name(identity: Identity) -> str:
    key = f"{identity.server}\n{identity.workflow_id}\n{identity.created}"
    return f"{identity.workflow_id}-{sha256(key.encode()).hexdigest()[:12]}"


def _sign(file: TextIO) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # The lock is what counts, who holds it is a courtesy, and a full disk may have no room for it.
    with suppress(OSError):
        file.truncate(0)
        file.write(json.dumps(holder))
        file.flush()


def _who_holds(identity: Identity, file: TextIO) -> str:
    try:
        file.seek(0)
        holder = json.load(file)
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError):  # the holder is about to sign
        who = "another process"
    return (
        f"Workflow {identity.workflow_id} is already watched by {who}. "
        "Stop that watch first, or leave the workflow to it."
    )
