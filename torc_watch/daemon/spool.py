"""The queue of commands to the daemon: a folder of files, which works while no daemon runs.

A command is written beside the folder, flushed to the disk and renamed into it: a daemon on any
login node reads whole files, in the order in which they were written. Although the folder is the
user's own, the daemon does not trust its content: it accepts only small regular files of the user
that hold a valid command, and moves all others to another folder.
"""

import os
import socket
import stat
import time
from dataclasses import dataclass, field
from errno import EACCES, ELOOP, ENXIO
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from torc_watch.daemon.commands import Action, Command, WatchOptions, validation_error
from torc_watch.host.private_folder import make_private

_MAX_SIZE = 64 * 1024  # bytes; a command has some hundred
_DIGITS = 20
_MAX_NAME = 50  # characters of its old name that a rejected file keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """A command as JSON. Other versions of this program read it: its keys do not change."""

    verb: Action
    server: str
    workflow_id: int
    choices: WatchOptions = field(default_factory=WatchOptions)
    unset: tuple[str, ...] = ()


_CONTENT = TypeAdapter(_Content)


@dataclass(frozen=True, slots=True)
class PendingCommand:
    path: Path
    command: Command


@dataclass(frozen=True, slots=True)
class InvalidFile:
    """``problem`` is one or more sentences."""

    path: Path
    problem: str


class Spool:
    """All methods block on the file system and raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._drafts = folder / "drafts"
        self._rejected = folder / "rejected"

    def put(self, command: Command) -> None:
        """Returns when the command would survive a crash of this machine."""
        make_private(self._folder, self._incoming, self._drafts)
        name = f"{self._next_number():0{_DIGITS}}-{socket.gethostname()}-{uuid4().hex}.json"
        draft = self._drafts / name
        try:
            with draft.open("xb") as file:
                file.write(_encode(command))
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._incoming / name)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        _flush_folder(self._incoming)

    def pending(self) -> list[PendingCommand | InvalidFile]:
        """All files, the oldest first, until they are acknowledged or rejected."""
        try:
            names = sorted(path.name for path in self._incoming.iterdir())
        except FileNotFoundError:
            return []
        files = (_read(self._incoming / name) for name in names)
        return [file for file in files if file is not None]

    def close_to_others(self) -> None:
        """The folders may be older: earlier versions made the first one as the umask said."""
        make_private(self._folder, self._incoming, self._drafts)

    def acknowledge(self, pending: PendingCommand) -> None:
        """Deletes the file: to be called after the effect of the command is stored elsewhere."""
        pending.path.unlink(missing_ok=True)

    def reject(self, invalid: InvalidFile) -> Path:
        """Moves the file to where a user can inspect it; its new path."""
        make_private(self._rejected)
        # A unique name: a file or folder of the same name must not prevent the move.
        name = f"{uuid4().hex}-{invalid.path.name[:_MAX_NAME]}"
        return invalid.path.rename(self._rejected / name)

    def _next_number(self) -> int:
        """Nanoseconds, but greater than all pending ones: clocks are set back, and differ."""
        pending = (path.name[:_DIGITS] for path in self._incoming.iterdir())
        newest = max((int(number) for number in pending if number.isdecimal()), default=0)
        return max(time.time_ns(), newest + 1)


def _encode(command: Command) -> bytes:
    content = _Content(
        verb=command.action,
        server=command.server,
        workflow_id=command.workflow_id,
        choices=command.options,
        unset=command.unset,
    )
    return _CONTENT.dump_json(content, exclude_none=True)


def _decode(text: bytes) -> Command:
    """Raises ValidationError."""
    content = _CONTENT.validate_json(text, strict=True, extra="forbid")
    return Command(
        action=content.verb,
        server=content.server,
        workflow_id=content.workflow_id,
        options=content.choices,
        unset=content.unset,
    )


def _read(path: Path) -> PendingCommand | InvalidFile | None:
    """None if another daemon acknowledged it meanwhile. Raises OSError for temporary trouble."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (ELOOP, ENXIO, EACCES):  # a link, a socket, no permission
            raise
        return InvalidFile(path, f"It cannot be opened: {error.strerror}.")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            return InvalidFile(path, "It is not a regular file of yours.")
        text = os.read(descriptor, _MAX_SIZE + 1)
    finally:
        os.close(descriptor)
    return _parse(path, text)


def _parse(path: Path, text: bytes) -> PendingCommand | InvalidFile:
    if len(text) > _MAX_SIZE:
        return InvalidFile(path, f"It is longer than {_MAX_SIZE} bytes.")
    try:
        command = _decode(text)
    except ValidationError as error:
        return InvalidFile(path, f"It does not hold a command: {error.errors()[0]['msg']}.")
    problem = validation_error(command)
    return InvalidFile(path, problem) if problem else PendingCommand(path, command)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
