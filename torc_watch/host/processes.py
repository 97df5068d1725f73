"""The processes of this machine: what each uses now, which carry a mark, and their end.

/proc/<pid>/stat is read directly: one short line has the parent, the session, the start time, the
memory and the CPU time, and a pass over it takes a seventh of the time of the same pass by psutil.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DEAD = (b"Z", b"X")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process at one moment: resident memory in bytes, CPU time in seconds.

    ``started`` counts clock ticks since boot. A number is reused, with its start it is not.
    """

    pid: int
    parent: int
    session: int
    started: int
    is_dead: bool  # ended, waiting for its parent to take notice
    cpu_seconds: float
    memory: int

    @property
    def identity(self) -> tuple[int, int]:
        return self.pid, self.started


def parse_stat(line: bytes) -> Process:
    """A line of /proc/<pid>/stat; the program's name in it may hold blanks and parentheses."""
    number, _, rest = line.partition(b" (")
    fields = rest[rest.rindex(b")") + 2 :].split()
    return Process(
        pid=int(number),
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        is_dead=fields[0] in _DEAD,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND,
        memory=int(fields[21]) * _PAGE,
    )


def find_process(pid: int) -> Process | None:
    line = _read(pid, "stat")
    return parse_stat(line) if line else None


def all_processes() -> Iterator[Process]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - twenty times a second, on hundreds of entries
        if name.isdecimal() and (process := find_process(int(name))):
            yield process


def environment_of(pid: int) -> list[bytes]:
    """The ``NAME=value`` entries that the program was started with; none if it is not ours."""
    return _read(pid, "environ").split(b"\0")


def _read(pid: int, name: str) -> bytes:
    """Nothing of a process that has gone, or that is not ours to look at (proc's hidepid=1)."""
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - half the time
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def carriers_of(marker: bytes) -> list[Process]:
    """All living processes of this user with ``marker`` in their environment."""
    return [
        process
        for process in all_processes()
        if not process.is_dead and marker in environment_of(process.pid)
    ]


def lockers_of(path: Path) -> list[int]:
    """The other processes of this machine that have locked a part of a file, as far as is known.

    By the kernel's list: opening and closing the file would take our own locks from us.
    """
    found = set()
    with suppress(OSError):
        status = path.stat()
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, pid, file, *_ = line.replace("-> ", "").split()  # an arrow: it waits
            if kind == "POSIX" and file.rpartition(":")[2] == str(status.st_ino):
                found.add(int(pid))
        found = {pid for pid in found - {os.getpid()} if _has_open(pid, status)}
    return sorted(found)


def _has_open(pid: int, status: os.stat_result) -> bool:
    """Another file system has files of the same numbers, and names itself otherwise than here."""
    with suppress(OSError):
        files = Path(f"/proc/{pid}/fd").iterdir()
        return any(os.path.samestat(file.stat(), status) for file in files)
    return False


def send_signal(process: Process, number: signal.Signals) -> None:
    """Signals exactly this process, never another one that has its number by now."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        now = find_process(process.pid)
        if now is not None and now.identity == process.identity:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def send_signals(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        send_signal(process, number)


def end_all(find: Callable[[], list[Process]], *, patience: float) -> int | None:
    """Kills until ``find`` finds nothing more; how many processes that were.

    None if some of them live on after ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    ended: set[tuple[int, int]] = set()
    while living := find():
        if time.monotonic() > deadline:
            return None
        ended.update(process.identity for process in living)
        send_signals(living, signal.SIGKILL)
        time.sleep(0.01)
    return len(ended)
