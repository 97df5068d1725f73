"""Allocations that are processes of this machine, where there is no Slurm.

A folder for each allocation says all there is to know of it (`allocation_folder`); nothing is kept
in memory, so the next process sees the same after any crash. Every query and every start happens
under one lock of the directory, held for milliseconds, so that a held lock of a folder always
means a worker. The worker inherits its lock from the process that started it, and there is no
moment in which it runs without. One that dies before it has recorded itself has done nothing:
its allocation counts as never started.

When a worker is killed its jobs run on as orphans: `cancel` ends them. They are known by the
environment they were started with, so a program that cleared its environment is missed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    EndCause,
    NodeClass,
    StepEnd,
)
from torc_watch.core.errors import SchedulerError
from torc_watch.host import file_lock
from torc_watch.host.file_tail import last_lines
from torc_watch.host.processes import end_all, processes_with_environment, send_signal
from torc_watch.schedulers.base import EndedAttempts, WorkerAssignment
from torc_watch.schedulers.local.allocation_folder import (
    AllocationFolder,
    AllocationRecord,
    this_host,
)
from torc_watch.schedulers.local.attempt_processes import end_attempt_processes
from torc_watch.schedulers.local.worker_settings import NEWS_VARIABLE, PASSWORD_VARIABLE

_CANCEL_PATIENCE = 10.0  # seconds for a worker that is just starting to say who it is
_FIRST_SIGNAL = 128  # from there on a signal ended the worker: it did not fail
_LINES_OF_LOG = 3
_UNKNOWN = AllocationStatus(state=AllocationState.UNKNOWN)
_KILL_PATIENCE = 5.0  # seconds for the jobs of a killed worker to end


class LocalScheduler:
    """The scheduler of a machine without one. ``poll_interval`` is the workers', in seconds.

    Jobs are run by ``torc_program``, which is Torc's own command, or by our runner without it.
    ``directory`` must be the same in all processes that watch a server: it is where numbers are
    unique.
    """

    type = "local"

    def __init__(
        self, directory: Path, *, poll_interval: float = 1.0, torc_program: Path | None = None
    ) -> None:
        self._directory = directory.resolve()
        self._poll_interval = poll_interval
        self._torc_program = torc_program
        self._workers: list[int] = []

    async def node_classes(self) -> tuple[NodeClass, ...]:
        """This machine: the CPUs that this process may use, and all of the memory."""
        return (NodeClass(num_cpus=len(os.sched_getaffinity(0)), memory=_physical_memory()),)

    async def cluster_name(self) -> str:
        """None: it is one machine, from which nothing keeps away."""
        return ""

    async def kill_wait(self) -> None:
        """None: a worker that has to stop ends its jobs itself."""

    async def expected_start(self, _spec: AllocationSpec) -> None:
        """None: that is at once."""

    async def find(self, tokens: Collection[str]) -> dict[str, int]:
        """Those whose worker was started. Raises SchedulerError."""
        with _translated("look for"):
            return await to_thread.run_sync(self._find, tokens)

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        """Starts a worker, or finds the one that was started with this token; its number.

        Raises SchedulerError; then the same may be submitted again.
        """
        with _translated("start"):
            return await to_thread.run_sync(self._submit, spec, work)

    async def release(self, numbers: Sequence[int]) -> None:
        """Does nothing: a local worker runs as soon as it is submitted."""

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        """UNKNOWN for those of another host, and those whose folder is unreadable or missing."""
        with _translated("look for"):
            return await to_thread.run_sync(self._statuses, numbers)

    async def steps(self, _numbers: Collection[int]) -> dict[int, Mapping[str, StepEnd]]:
        """None: jobs are processes of a worker."""
        return {}

    async def cancel(self, number: int) -> None:
        """Ends the allocation with its jobs: by its worker, or for one that was killed.

        Returns when a living worker has been signaled, and when nothing of a dead one is left.
        Raises SchedulerError when that cannot be done from here.
        """
        with anyio.move_on_after(_CANCEL_PATIENCE):
            with _translated("cancel"):
                # Another process records itself in a file, and sets no event of ours.
                while not await to_thread.run_sync(self._signal_to_stop, number):  # noqa: ASYNC110
                    await anyio.sleep(0.1)
            return
        raise SchedulerError(
            f"Allocation {number} does not say which process it is. See {self._folder(number).log}."
        )

    async def end_remnants(self, _number: int, attempts: EndedAttempts) -> int:
        """Raises SchedulerError where something may be left."""
        return await to_thread.run_sync(end_attempt_processes, attempts)

    async def cancel_all(self) -> None:
        """Stops every worker of this directory, and returns when none is left."""
        with _translated("look for"):
            numbers = await to_thread.run_sync(self._numbers)
        for number in numbers:
            await self.cancel(number)
        # Other processes: they set no event of ours.
        while await self._has_alive(numbers):  # noqa: ASYNC110
            await anyio.sleep(0.05)

    async def _has_alive(self, numbers: Collection[int]) -> bool:
        statuses = (await self.statuses(numbers)).values()
        return any(status.state is AllocationState.ALIVE for status in statuses)

    def _find(self, tokens: Collection[str]) -> dict[str, int]:
        with self._locked():
            folders = {token: self._with_token(token) for token in tokens}
            return {
                token: folder.number
                for token, folder in folders.items()
                if folder is not None and folder.was_started()
            }

    def _submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        with self._locked():
            folder = self._with_token(spec.token) or self._new_folder()
            if folder.was_started():
                return folder.number
            record = AllocationRecord(
                hostname=this_host(),
                spec=spec,
                work=work,
                poll_interval=self._poll_interval,
                torc_program=self._torc_program,
            )
            # The record goes first: without it a worker would not know what it is for.
            folder.write_record(record)
            self._start(folder, work.connection.password)
            return folder.number

    def _start(self, folder: AllocationFolder, password: str | None) -> None:
        marker, _, path = folder.marker.partition("=")
        environment = os.environ | {marker: path}
        environment.pop(NEWS_VARIABLE, None)
        if password is not None:
            environment[PASSWORD_VARIABLE] = password
        lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not file_lock.try_lock(lock):
                raise SchedulerError(f"Allocation {folder.number} already has a worker.")
            with folder.log.open("ab") as log:
                worker = subprocess.Popen(  # noqa: S603 - our own worker
                    # -P: nothing in the user's working directory shall be taken for our modules.
                    [sys.executable, "-P", "-m", "torc_watch.sandbox.runner", str(folder.path)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    pass_fds=(lock,),
                    start_new_session=True,
                )
        finally:
            os.close(lock)
        self._workers.append(worker.pid)
        worker.returncode = 0  # meant to outlive us: Popen shall not miss its end, `_reap` sees it

    def _statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        self._reap()
        with self._locked():
            return {number: _status(self._folder(number)) for number in numbers}

    def _reap(self) -> None:
        """Reaps workers that have ended while we live, so that none stays a zombie."""
        self._workers = [pid for pid in self._workers if not _reaped(pid)]

    def _signal_to_stop(self, number: int) -> bool:
        """False when there is a worker that has not recorded itself yet."""
        folder = self._folder(number)
        with self._locked():
            if not folder.is_locked():
                _end_orphans(folder)
                return True
            hostname = folder.hostname()
            if hostname != this_host():
                raise SchedulerError(f"Allocation {number} runs on {hostname}: cancel it there.")
            worker = folder.worker()
            if worker is not None:
                send_signal(worker, signal.SIGTERM)
            return worker is not None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # One after the other: the mode is not for the parents that `parents` makes.
        self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        with (self._directory / "lock").open("ab") as lock:
            file_lock.lock(lock)
            yield

    def _folder(self, number: int) -> AllocationFolder:
        return AllocationFolder(self._directory / str(number))

    def _folders(self) -> list[AllocationFolder]:
        """Newest first."""
        numbers = (int(path.name) for path in self._directory.iterdir() if path.name.isdecimal())
        return [self._folder(number) for number in sorted(numbers, reverse=True)]

    def _numbers(self) -> list[int]:
        with self._locked():
            return [folder.number for folder in self._folders()]

    def _with_token(self, token: str) -> AllocationFolder | None:
        for folder in self._folders():
            try:
                record = folder.read_record()
            except SchedulerError:  # made by a process that was killed before it wrote the record
                continue
            if record.spec.token == token:
                return folder
        return None

    def _new_folder(self) -> AllocationFolder:
        newest = next(iter(self._folders()), None)
        folder = self._folder(newest.number + 1 if newest else 1)
        folder.path.mkdir(mode=0o700)
        return folder


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # the system reaps them, as the process that started us asked it to
        return True


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _status(folder: AllocationFolder) -> AllocationStatus:
    try:
        hostname = folder.hostname()
    except SchedulerError:
        return _UNKNOWN
    if hostname != this_host():
        return _UNKNOWN
    if folder.is_locked():
        return AllocationStatus(state=AllocationState.ALIVE)
    return _end(folder)


def _end(folder: AllocationFolder) -> AllocationStatus:
    """How its worker ended, with the last lines of its log if that was by an error."""
    code = folder.exit_code()
    if not code or code >= _FIRST_SIGNAL:
        canceled = code == _FIRST_SIGNAL + signal.SIGTERM
        return AllocationStatus(
            state=AllocationState.GONE, cause=EndCause.CANCELED if canceled else None
        )
    lines = last_lines(folder.log)
    # Beside Torc's runner our worker logs only when that began and ended.
    others = [line for line in lines if line and not line.startswith("{")]
    last = (others or lines)[-_LINES_OF_LOG:]
    detail = [f"its log {folder.log} {'ends with:' if last else 'is empty'}", *last]
    return AllocationStatus(
        state=AllocationState.GONE, cause=EndCause.FAILED, detail="\n".join(detail)
    )


def _end_orphans(folder: AllocationFolder) -> None:
    """Ends what a killed worker left running, and records its end."""
    if folder.has_recorded_end() or not folder.was_started():
        return
    left = partial(processes_with_environment, os.fsencode(folder.marker))
    if end_all(left, patience=_KILL_PATIENCE) is None:
        raise SchedulerError(f"Jobs of allocation {folder.number} do not end when they are killed.")
    with suppress(OSError):  # the next process will find out the same
        folder.record_end(None)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SchedulerError(
            f"Could not {what} a local allocation: {error}. Check its directory and try again."
        ) from error
