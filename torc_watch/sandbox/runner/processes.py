"""Which processes of this machine belong to which job, and what they use now.

A process belongs to a job when it is the job's shell, lives in the shell's session, descends from
a member, or carries the job's marker in its environment. Once a member it stays one, so a double
fork does not escape. What could: a program that within one sampling interval clears its
environment, leaves its session and loses its parent.

/proc/<pid>/stat is read directly: one short line has the parent, the session, the start time, the
memory and the CPU time, and a pass over it takes a seventh of the time of the same pass by psutil.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

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


def end_carriers(marker: bytes, *, patience: float) -> bool:
    """Kills whatever carries ``marker``; False if some of it lives on after so many seconds."""
    deadline = time.monotonic() + patience
    while living := carriers_of(marker):
        if time.monotonic() > deadline:
            return False
        send_signals(living, signal.SIGKILL)
        time.sleep(0.01)
    return True


class ProcessTrees:
    """The living processes of several jobs, over time. A job goes by the number of its shell."""

    def __init__(self) -> None:
        self._markers: dict[int, bytes] = {}
        self._jobs: dict[tuple[int, int], int | None] = {}

    def add(self, shell: int, marker: bytes) -> None:
        """``marker`` is the ``NAME=value`` that no environment but this job's contains."""
        self._markers[shell] = marker

    def remove(self, shell: int) -> None:
        del self._markers[shell]

    def members(self) -> dict[int, list[Process]]:
        """The living processes of every job; one pass over /proc."""
        # Parents start before their children, so a parent's job is known when a child asks for it.
        processes = sorted(all_processes(), key=lambda process: (process.started, process.pid))
        by_pid: dict[int, int | None] = {}
        jobs: dict[tuple[int, int], int | None] = {}
        members: dict[int, list[Process]] = defaultdict(list)
        for process in processes:
            job = self._job_of(process, by_pid)
            by_pid[process.pid] = jobs[process.identity] = job
            if job is not None and not process.is_dead:
                members[job].append(process)
        self._jobs = jobs
        return members

    def _job_of(self, process: Process, by_pid: dict[int, int | None]) -> int | None:
        if process.identity in self._jobs:
            known = self._jobs[process.identity]
            return known if known in self._markers else None
        for candidate in (process.pid, process.session, by_pid.get(process.parent)):
            if candidate in self._markers:
                return candidate
        return self._marked_job(process)

    def _marked_job(self, process: Process) -> int | None:
        environment = environment_of(process.pid)
        return next((job for job, marker in self._markers.items() if marker in environment), None)
