"""One watch of a workflow at a time: a lock that is released when its holder dies."""

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
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.host.file_lock import still_has_name, try_lock
from torc_watch.host.private_folder import make_private

_SPARE = 256  # open files that locks leave to the rest of this process, such as the heartbeat


@contextmanager
def lock_workflow(
    directory: Path, identity: WorkflowIdentity, epoch: int | None = None
) -> Iterator[None]:
    """Locks a workflow until left. Raises WatchHeld, which names the holder.

    ``epoch`` is that of the lease under which a daemon watches. A lock of a daemon with an earlier
    epoch is taken over: that daemon may be suspended, or hang, and will change nothing any more.
    Raises JournalError when the folder cannot be written to, InvalidInput when this process may
    open no more files.

    The file stays after the release, until ``remove_unused``.
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
    """Removes locks that are free and were last taken before ``before``, in seconds of the epoch.

    A process that opened one of them meanwhile finds that it is no longer there, and makes a new
    one. Raises OSError.
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
        make_private(directory)
        file = (directory / name).open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno in (EMFILE, ENFILE):
            raise _too_many_files() from error
        raise JournalError(
            f"The state folder {directory} cannot be written: {describe_os_error(error)} "
            "Fix that, or set TORC_WATCHD_HOME to another folder."
        ) from error
    # A new file gets the lowest free number.
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and file.fileno() >= limit - min(_SPARE, limit // 2):
        file.close()
        raise _too_many_files()
    return file


def _too_many_files() -> InvalidInput:
    return InvalidInput("No more files can be opened, and each watch needs one: raise ulimit -n.")


def _file_name(identity: WorkflowIdentity) -> str:
    key = f"{identity.server}\n{identity.workflow_id}\n{identity.created}"
    return f"{identity.workflow_id}-{sha256(key.encode()).hexdigest()[:12]}"


def _sign(file: TextIO, epoch: int | None) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": epoch,
    }
    # Only the lock counts. Who holds it is extra, for which a full disk may have no room. Nothing
    # stays in a buffer, where it would fail once more when the file is closed.
    with suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), json.dumps(holder).encode())


def _who_holds(identity: WorkflowIdentity, file: TextIO) -> str:
    holder = _read_holder(file)
    who = "another process"  # about to sign
    if holder is not None:
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    stop = "Stop that watch first"
    if holder is not None and holder.get("epoch") is not None:
        who, stop = f"the daemon, {who}", f"First run: torc-watchd pause {identity.workflow_id}"
    return (
        f"Workflow {identity.workflow_id} is already watched by {who}. "
        f"{stop}, or leave the workflow to it."
    )


def _read_holder(file: TextIO) -> dict[str, Any] | None:
    try:
        file.seek(0)
        holder: dict[str, Any] = json.load(file)
    except ValueError:
        return None
    return holder
