"""Orders on their way to the daemon: a folder of files, so that it need not be there.

An order is written beside the folder, flushed to the disk and renamed into it: whoever is there
reads it whole, on whichever login node it was given, and in the order in which they were given.
The folder is the user's own, but what is read is trusted no further than what anybody else says:
only small plain files of the user that hold an order count, the rest is set aside and named.
"""

import os
import socket
import stat
import time
from dataclasses import dataclass
from errno import EACCES, ELOOP, ENXIO
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from torc_watch.daemon.commands import Command, problem_of

_LARGEST = 64 * 1024  # bytes; an order has some hundred
_DIGITS = 20
_LONGEST_NAME = 50  # of a file set aside
_ORDER = TypeAdapter(Command)


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A file of the spool: the order that it holds, or what is wrong with it."""

    path: Path
    content: Command | str


class Spool:
    """All methods wait for the file system and raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._incoming = folder / "incoming"
        self._drafts = folder / "drafts"
        self._rejected = folder / "rejected"

    def put(self, order: Command) -> None:
        """Returns when the order would survive a crash of this machine."""
        for folder in (self._incoming, self._drafts):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{self._next_number():0{_DIGITS}}-{socket.gethostname()}-{uuid4().hex}.json"
        draft = self._drafts / name
        try:
            with draft.open("xb") as file:
                file.write(_ORDER.dump_json(order, exclude_none=True))
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._incoming / name)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        _flush_folder(self._incoming)

    def deliveries(self) -> list[PendingCommand]:
        """What has come, oldest first; what is taken in or set aside does not come again."""
        try:
            names = sorted(path.name for path in self._incoming.iterdir())
        except FileNotFoundError:
            return []
        deliveries = (_open(self._incoming / name) for name in names)
        return [delivery for delivery in deliveries if delivery is not None]

    def take_in(self, delivery: PendingCommand) -> None:
        """To be called after what was ordered is kept elsewhere."""
        delivery.path.unlink(missing_ok=True)

    def set_aside(self, delivery: PendingCommand) -> Path:
        """Where a person may look at it."""
        self._rejected.mkdir(mode=0o700, exist_ok=True)
        # A name of its own: what has the same name already, or is a folder, is not in the way.
        name = f"{uuid4().hex}-{delivery.path.name[:_LONGEST_NAME]}"
        return delivery.path.rename(self._rejected / name)

    def _next_number(self) -> int:
        """Nanoseconds, but never before an order that waits: clocks are set back, and differ."""
        waiting = (path.name[:_DIGITS] for path in self._incoming.iterdir())
        newest = max((int(number) for number in waiting if number.isdecimal()), default=0)
        return max(time.time_ns(), newest + 1)


def _open(path: Path) -> PendingCommand | None:
    """None for what another daemon has taken in meanwhile. Raises OSError for passing trouble."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (ELOOP, ENXIO, EACCES):  # a link, a socket, closed to ourselves
            raise
        return PendingCommand(path, f"cannot be opened: {error.strerror}")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            return PendingCommand(path, "is no plain file of yours")
        content = os.read(descriptor, _LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST:
        return PendingCommand(path, f"is longer than {_LARGEST} bytes")
    try:
        order = _ORDER.validate_json(content, strict=True, extra="forbid")
    except ValidationError as error:
        return PendingCommand(path, f"holds no order: {error.errors()[0]['msg']}")
    return PendingCommand(path, problem_of(order) or order)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
