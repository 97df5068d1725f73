"""Which of a user's daemons is active, over all login nodes that share a home.

The lease is a folder with a file for each epoch, whose name is the epoch's number. A file gets its
name by link(), which succeeds for one of many even on a network file system; the highest number
holds the lease, so a holder detects a takeover by listing the names. The modification time of its
file is the holder's heartbeat. The files of earlier epochs may be deleted, the highest never: a
released lease keeps its number.

A heartbeat modifies the holder's own file. A successor deletes that file, so the old holder's next
heartbeat fails on the file server, whatever its node has cached.

All calls block on the file system, which may be a network's: call them in a thread.
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
from torc_watch.daemon.lease_rules import RELEASED, Holder, LeaseState, Sighting, lease_state
from torc_watch.host.private_folder import make_private
from torc_watch.host.processes import Liveness, this_process, this_space


def this_holder(patience: float = 0.0) -> Holder:
    """This process as a holder; others wait ``patience`` seconds for its heartbeat."""
    space, process = this_space(), this_process()
    return Holder(
        host=socket.gethostname(),
        boot=space.boot,
        namespace=space.namespace,
        pid=os.getpid(),
        started=process.started,
        version=version("torc-watch"),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        patience=patience,
    )


@dataclass
class _Observation:
    """The last sighting of another's lease, and since when nothing about it has changed."""

    seen: Sighting | None = None
    since: float = 0.0

    def unchanged_for(self, seen: Sighting | None, now: float) -> float:
        if seen != self.seen:
            self.seen, self.since = seen, now
        return now - self.since


class Lease:
    """The lease in ``folder``, as ``me`` sees it. Any call may raise OSError.

    The patience of ``me`` has to be several times the interval between two calls of ``beat``.
    ``predecessor`` is the holder whose heartbeat stood still when ``me`` took over: its process may
    be alive, and continue one day.
    """

    def __init__(self, folder: Path, me: Holder) -> None:
        self._folder = folder
        self.me = me
        self._observation = _Observation()
        self.epoch: int | None = None
        self.predecessor: Holder | None = None

    @property
    def name(self) -> str:
        """Unique among all leases, also among those of the same epoch in a folder emptied since."""
        return f"{self.epoch} {self.me}"

    def acquire(self, now: float) -> bool:
        """Takes the lease if it is vacant; whether we hold it. ``now`` is monotonic, seconds.

        A holder on another machine counts as gone when its heartbeat was observed for as long as
        its patience: the first call never finds that.
        """
        make_private(self._folder)
        seen = self._newest()
        if self._is_ours(seen):
            return True  # after trouble with the state folder
        state = lease_state(
            seen,
            self.me,
            holder=self._liveness(seen),
            unchanged_for=self._observation.unchanged_for(seen, now),
        )
        return state is LeaseState.VACANT and self._take_over(seen)

    def _liveness(self, seen: Sighting | None) -> Liveness:
        if seen is None or seen.holder is None:
            return Liveness.UNKNOWN
        return seen.holder.liveness(seen_from=self.me.space)

    def holder(self) -> Holder | None:
        """Who holds the lease, we or another; None if it is vacant or the record is unreadable."""
        seen = self._newest()
        return seen.holder if seen and seen.heartbeat != RELEASED else None

    def beat(self) -> None:
        """Sends a heartbeat. Raises LeaseLost after a takeover, or if the folder was emptied.

        Also correct in a process that was suspended for hours: it remembers only a number. After a
        heartbeat there is no takeover before our patience, from its beginning, is over.
        """
        self._mark(None)

    def release(self) -> None:
        """Lets another daemon take over at once. Raises LeaseLost."""
        self._mark((RELEASED, RELEASED))
        self.epoch = None

    def _mark(self, times: tuple[int, int] | None) -> None:
        with suppress(FileNotFoundError):
            # Mark before listing: either a successor sees the mark, or we see the successor.
            os.utime(self._file(self.epoch or 0), times)
            if self._is_ours(self._newest()):
                return
        self.epoch = None
        raise LeaseLost("Another torc-watchd of yours has taken over.")

    def _is_ours(self, seen: Sighting | None) -> bool:
        """In a folder that was emptied the epochs start again: the holder has to match, too."""
        return seen is not None and (seen.epoch, seen.holder) == (self.epoch, self.me)

    def _take_over(self, seen: Sighting | None) -> bool:
        epoch = seen.epoch + 1 if seen else 1
        # A unique name: in another container a process may have our host's name and our PID.
        draft = self._folder / f"draft-{uuid4().hex}"
        with draft.open("x", encoding="utf-8") as file:
            json.dump(asdict(self.me), file)
            file.flush()
            os.fsync(file.fileno())
        if not _link(draft, self._file(epoch)):
            return False
        self.epoch = epoch
        self.predecessor = seen.holder if seen and seen.heartbeat != RELEASED else None
        self._delete_before(epoch)
        return True

    def _delete_before(self, epoch: int) -> None:
        for path in self._folder.iterdir():
            if not path.name.isdecimal() or int(path.name) < epoch:
                with suppress(OSError):  # gone, no file of ours, or one that NFS keeps for a reader
                    path.unlink()

    def _newest(self) -> Sighting | None:
        for _ in range(2):  # after the listing a successor may have deleted the file
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


def _link(draft: Path, file: Path) -> bool:
    """Whether ``file`` is now our draft."""
    with suppress(FileNotFoundError):  # a faster daemon deleted the draft
        try:
            os.link(draft, file)
        except FileExistsError:
            # A network file system may have linked it, lost the answer and refused the repetition.
            return draft.stat().st_nlink > 1
        return True
    return False


def _parse(text: str) -> Holder | None:
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return None
