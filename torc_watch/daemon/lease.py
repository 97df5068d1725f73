"""Which of a person's daemons acts, over all login nodes that share a home.

The lease is a folder with a file for each epoch, whose name is the epoch's number. A file gets its
name by link(), which succeeds for one of many even on a network file system; the highest number
holds the lease, so a holder finds out that it was followed by looking at the names. The time of
change of its file is the holder's heartbeat. The files of earlier epochs may go, the highest never:
a lease that is given back keeps its number.

A heartbeat is a change of the holder's own file, which whoever follows has removed: it fails on the
file server, whatever this node remembers of the folder.

All calls wait for the file system, which may be a network's: they belong in a thread.
"""

import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from errno import ENOENT
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from torc_watch.core.errors import LeaseLost
from torc_watch.daemon.lease_rules import RELEASED, Holder, LeaseState, Sighting, judge
from torc_watch.host.processes import find_process, parse_stat


def this_process(patience: float = 0.0) -> Holder:
    """We as a holder, with whose heartbeat others are to have ``patience``, in seconds."""
    return Holder(
        host=socket.gethostname(),
        boot=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        namespace=str(Path("/proc/self/ns/pid").readlink()),
        pid=os.getpid(),
        started=parse_stat(Path("/proc/self/stat").read_bytes()).started,
        version=version("torc-watch"),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        patience=patience,
    )


def is_running(holder: Holder) -> bool:
    """Whether a process whose number means something here still lives."""
    process = find_process(holder.pid)
    return process is not None and not process.is_dead and process.started == holder.started


@dataclass
class _Watching:
    """The last sighting of another's lease, and since when nothing about it has changed."""

    seen: Sighting | None = None
    since: float = 0.0

    def unchanged_for(self, seen: Sighting | None, now: float) -> float:
        if seen != self.seen:
            self.seen, self.since = seen, now
        return now - self.since


class Lease:
    """The lease in ``folder``, as ``me`` sees it. Any call may raise OSError.

    My patience has to be several times what lies between two calls of ``beat``. ``predecessor`` is
    whose heartbeat stood still when we took the lease: it may live, and go on one day.
    """

    def __init__(self, folder: Path, me: Holder) -> None:
        self._folder = folder
        self.me = me
        self._watching = _Watching()
        self.epoch: int | None = None
        self.predecessor: Holder | None = None

    @property
    def name(self) -> str:
        """What no other lease is called, also none of the same number in a folder emptied since."""
        return f"{self.epoch} {self.me}"

    def acquire(self, now: float) -> bool:
        """Takes the lease if it is vacant; whether it is ours now. ``now`` is monotonic, seconds.

        A holder on another machine is gone when it has been looked at for as long as it is waited
        for: the first call never finds that out.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        seen = self._newest()
        if self._is_ours(seen):
            return True  # after trouble with the state folder
        standing = judge(
            seen,
            self.me,
            is_running=seen is not None and seen.holder is not None and is_running(seen.holder),
            unchanged_for=self._watching.unchanged_for(seen, now),
        )
        return standing is LeaseState.VACANT and self._follow(seen)

    def holder(self) -> Holder | None:
        """Who holds the lease, ours or another's; None when nobody does or it cannot be read."""
        seen = self._newest()
        return seen.holder if seen and seen.heartbeat != RELEASED else None

    def beat(self) -> None:
        """Says that we live. Raises LeaseLost when we were followed, or the folder was emptied.

        Also right in a process that stood still for hours: nothing here is remembered but a number.
        After a beat nobody follows before my patience, from when it was begun, is over.
        """
        self._mark(None)

    def release(self) -> None:
        """Lets the next one take over at once. Raises LeaseLost."""
        self._mark((RELEASED, RELEASED))
        self.epoch = None

    def _mark(self, times: tuple[int, int] | None) -> None:
        with suppress(FileNotFoundError):
            # First the mark, then the look: whoever is about to follow sees it, or we see him.
            os.utime(self._file(self.epoch or 0), times)
            if self._is_ours(self._newest()):
                return
        self.epoch = None
        raise LeaseLost("Another torc-watchd of yours has taken over.")

    def _is_ours(self, seen: Sighting | None) -> bool:
        """Numbers begin again in a folder that was emptied."""
        return seen is not None and (seen.epoch, seen.holder) == (self.epoch, self.me)

    def _follow(self, seen: Sighting | None) -> bool:
        epoch = seen.epoch + 1 if seen else 1
        # A name of its own: in another container there may be a process of our host and number.
        draft = self._folder / f"draft-{uuid4().hex}"
        with draft.open("x", encoding="utf-8") as file:
            json.dump(asdict(self.me), file)
            file.flush()
            os.fsync(file.fileno())
        if not _linked(draft, self._file(epoch)):
            return False
        self.epoch = epoch
        self.predecessor = seen.holder if seen and seen.heartbeat != RELEASED else None
        self._sweep(epoch)
        return True

    def _sweep(self, epoch: int) -> None:
        for path in self._folder.iterdir():
            if not path.name.isdecimal() or int(path.name) < epoch:
                with suppress(OSError):  # gone, no file of ours, or one that NFS keeps for a reader
                    path.unlink()

    def _newest(self) -> Sighting | None:
        for _ in range(2):  # one that was listed may have been followed and swept up meanwhile
            epoch = max(self._epochs(), default=0)
            if not epoch:
                return None
            with suppress(FileNotFoundError), self._file(epoch).open(encoding="utf-8") as file:
                heartbeat = os.fstat(file.fileno()).st_mtime_ns
                return Sighting(epoch=epoch, heartbeat=heartbeat, holder=_parse(file.read()))
        raise FileNotFoundError(ENOENT, "It lists an epoch that is not there", str(self._folder))

    def _epochs(self) -> list[int]:
        return [int(path.name) for path in self._folder.iterdir() if path.name.isdecimal()]

    def _file(self, epoch: int) -> Path:
        return self._folder / str(epoch)


def _linked(draft: Path, file: Path) -> bool:
    """Whether ``file`` is now our draft."""
    with suppress(FileNotFoundError):  # the draft was swept up by whoever was faster
        try:
            os.link(draft, file)
        except FileExistsError:
            # A network file system may have done it, lost the answer and refused to do it twice.
            return draft.stat().st_nlink > 1
        return True
    return False


def _parse(text: str) -> Holder | None:
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return None
