"""One attempt of one job, from its start to an empty process tree.

Return codes and statuses are those of Torc 1.0's own runner (docs/torc-api.md), which has no limit
to a job's run time, and leaves alone what a shell has started:

| what happened | status | return code |
|--|--|--|
| the command exited with n | completed for 0, else failed | n |
| a signal n from elsewhere ended it | failed | 128+n |
| more resident memory than requested: SIGKILL to the whole tree | failed | 137 |
| longer than requested: SIGTERM, ``TERM_GRACE`` later SIGKILL | terminated | 152 |
| the worker was stopped, or the workflow canceled: the same | terminated | its own; deaf: 152 |
| one of the last two, but the command used the grace to exit with 0 | completed | 0 |
| it could not be started: reason in its .e file and in the log | failed | 126 |

A workflow may have chosen other codes than 137 and 152 (``execution_config``). A command that exits
with 0 after SIGTERM says that it has finished in time, and Torc believes it; any other exit at the
time limit is 152, so that a diagnosis needs no guess. A command that the shell replaced itself with
(``bash -c 'sleep 9'``) and one that the shell waits for give the same code. Whatever ends a job,
nothing of its tree outlives it.
"""

import os
import resource
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import anyio

from torc_watch.core.job_output import stdio_name
from torc_watch.core.model import TORCS_KILL_CODES, JobStatus, KillCodes
from torc_watch.core.units import KIB, format_memory
from torc_watch.host.processes import Process, send_signals
from torc_watch.sandbox.runner.process_trees import ProcessTrees
from torc_watch.sandbox.runner.usage import Meter, Usage
from torc_watch.schedulers.local.worker_settings import PASSWORD_VARIABLE

SAMPLE_INTERVAL = 1 / 20  # seconds
TERM_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
KILL_PATIENCE = 10.0  # seconds for SIGKILL to show; a process in the kernel's hands may never end

NOT_STARTED = 126


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A claimed job with all that its start needs. Limits: bytes and seconds, None for none."""

    workflow_id: int
    job_id: int
    run_id: int
    attempt: int
    name: str
    command: str
    output_dir: Path
    api_url: str
    memory_limit: int | None
    runtime_limit: float | None
    kill_codes: KillCodes = TORCS_KILL_CODES

    def stdio_file(self, stream: str) -> Path:
        return self.output_dir / stdio_name(
            workflow_id=self.workflow_id,
            job_id=self.job_id,
            run_id=self.run_id,
            attempt=self.attempt,
            stream=stream,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """How an attempt ended. ``reason`` is empty when the command ended by itself."""

    launch: Launch
    status: JobStatus
    return_code: int
    exec_seconds: float
    ended_at: datetime
    usage: Usage = field(default_factory=Usage)
    reason: str = ""


class KillReason(Enum):
    """Why the worker, not the command itself, ended the job."""

    MEMORY = "used more memory than requested"
    RUNTIME = "ran longer than requested"
    STOPPED = "the worker was told to stop"


def judge(verdict: KillReason | None, exit_code: int, codes: KillCodes) -> tuple[JobStatus, int]:
    """Status and return code; ``exit_code`` is negative for the signal that ended the shell."""
    if verdict is KillReason.MEMORY:
        return JobStatus.FAILED, codes.memory
    if exit_code == 0:
        return JobStatus.COMPLETED, 0
    own_code = exit_code if exit_code > 0 else 128 - exit_code
    if verdict is None:
        return JobStatus.FAILED, own_code
    was_deaf = exit_code == -signal.SIGKILL
    is_late = verdict is KillReason.RUNTIME
    return JobStatus.TERMINATED, codes.runtime if is_late or was_deaf else own_code


def start(launch: Launch, marker: str) -> subprocess.Popen[bytes]:
    """Starts the job's shell in a session of its own. Raises OSError and ValueError.

    ``marker`` is the ``NAME=value`` that the environment of the whole tree will contain.
    """
    name, _, value = marker.partition("=")
    environment = os.environ | {
        "TORC_WORKFLOW_ID": str(launch.workflow_id),
        "TORC_JOB_ID": str(launch.job_id),
        "TORC_JOB_NAME": launch.name,
        "TORC_OUTPUT_DIR": str(launch.output_dir),
        "TORC_ATTEMPT_ID": str(launch.attempt),
        "TORC_API_URL": launch.api_url,
        name: value,
    }
    # A job prints its environment more often than it talks to the server, into files others read.
    environment.pop(PASSWORD_VARIABLE, None)
    launch.stdio_file("o").parent.mkdir(parents=True, exist_ok=True)
    with launch.stdio_file("o").open("wb") as stdout, launch.stdio_file("e").open("wb") as stderr:
        return subprocess.Popen(  # noqa: S603 - running the user's command is what this is for
            ["bash", "-c", launch.command],  # noqa: S607 - the user's own bash, as Torc does
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )


class RunningJob:
    """A job whose shell has been started. Whoever made it must ``wait``."""

    def __init__(self, launch: Launch, trees: ProcessTrees) -> None:
        """Starts the job. Raises OSError and ValueError if that is impossible."""
        self.launch = launch
        self._trees = trees
        self._started = time.monotonic()
        marker = f"TORC_WATCH_ATTEMPT={uuid.uuid4().hex}"
        self._shell = start(launch, marker)
        # No await since the start: the first sample already knows the shell.
        trees.add(self.shell, marker.encode())
        self._meter = Meter(self._started)
        self._verdict: KillReason | None = None
        self._reason = ""
        self._kill_from = 0.0
        self._stop = anyio.Event()

    @property
    def shell(self) -> int:
        return self._shell.pid

    def stop(self) -> None:
        self._stop.set()

    def sample(self, members: Iterable[Process]) -> None:
        """Takes note of the tree's use, and ends it if that is more memory than requested."""
        members = list(members)
        memory = self._meter.sample(time.monotonic(), members)
        limit = self.launch.memory_limit
        if limit is not None and memory > limit:
            use = f"{format_memory(memory)} of resident memory, {format_memory(limit)} requested"
            self._condemn(KillReason.MEMORY, use)
        if self._verdict is KillReason.MEMORY:
            send_signals(members, signal.SIGKILL)

    async def wait(self) -> JobEnd:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._enforce_runtime)
                tasks.start_soon(self._obey_stop)
                await self._shell_ended()
                tasks.cancel_scope.cancel()
            ended = time.monotonic()
            await self._clear()
        finally:
            await self._end_for_sure()
            self._trees.remove(self.shell)
            # Last: until now the shell's number could not become another process's.
            exit_code, kernel = self._reap()
        status, return_code = judge(self._verdict, exit_code, self.launch.kill_codes)
        return JobEnd(
            launch=self.launch,
            status=status,
            return_code=return_code,
            exec_seconds=ended - self._started,
            ended_at=datetime.now(UTC),
            usage=self._meter.total(ended, kernel, _own_peak_memory()),
            reason=self._reason,
        )

    async def _shell_ended(self) -> None:
        handle = os.pidfd_open(self.shell)
        try:
            await anyio.wait_readable(handle)
        finally:
            os.close(handle)

    def _reap(self) -> tuple[int, resource.struct_rusage]:
        """The shell's exit code as Popen has it, and what the kernel says that it used."""
        _, status, kernel = os.wait4(self.shell, os.WNOHANG)
        # Popen must not wait for a number that is no longer its child's.
        self._shell.returncode = os.waitstatus_to_exitcode(status)
        return self._shell.returncode, kernel

    async def _enforce_runtime(self) -> None:
        if self.launch.runtime_limit is None:
            return
        await anyio.sleep(self.launch.runtime_limit)
        if self._condemn(KillReason.RUNTIME, f"{self.launch.runtime_limit:g} s requested"):
            await self._terminate()

    async def _obey_stop(self) -> None:
        await self._stop.wait()
        if self._condemn(KillReason.STOPPED):
            await self._terminate()

    def _condemn(self, verdict: KillReason, detail: str = "") -> bool:
        """The first verdict stands; False if there is one already."""
        if self._verdict is not None:
            return False
        self._verdict = verdict
        self._reason = f"{verdict.value}: {detail}" if detail else verdict.value
        return True

    async def _terminate(self) -> None:
        self._kill_from = time.monotonic() + TERM_GRACE
        send_signals(self._living(), signal.SIGTERM)
        await anyio.sleep(TERM_GRACE)
        send_signals(self._living(), signal.SIGKILL)

    async def _clear(self) -> None:
        """Ends what the shell left behind, when the grace that it may have is over."""
        with anyio.move_on_after(TERM_GRACE + KILL_PATIENCE):
            while living := self._living():
                if time.monotonic() >= self._kill_from:
                    send_signals(living, signal.SIGKILL)
                await anyio.sleep(SAMPLE_INTERVAL)

    async def _end_for_sure(self) -> None:
        """For a worker that breaks: no process and no zombie of the job stays behind."""
        send_signals(self._living(), signal.SIGKILL)
        with anyio.move_on_after(KILL_PATIENCE, shield=True):
            await self._shell_ended()

    def _living(self) -> list[Process]:
        return self._trees.members().get(self.shell, [])


def not_started(launch: Launch, error: OSError | ValueError) -> JobEnd:
    """The end of a job that has no process; its .e file says why, if that can be written."""
    reason = f"could not be started: {error}"
    try:
        launch.stdio_file("e").write_text(f"torc-watch: {reason}\n")
    except OSError as unwritable:
        reason = f"{reason} ({unwritable})"
    return JobEnd(
        launch=launch,
        status=JobStatus.FAILED,
        return_code=NOT_STARTED,
        exec_seconds=0.0,
        ended_at=datetime.now(UTC),
        reason=reason,
    )


def _own_peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
