"""One attempt of one job, from its start until its last process has ended.

Statuses and return codes are those of Torc 1.0's runner (docs/torc-api.md), which does not limit a
job's run time and does not end the processes that the shell started:

| end of the job | status | return code |
|--|--|--|
| the command exits with n | completed for 0, else failed | n |
| an external signal n ends it | failed | 128+n |
| more resident memory than requested: SIGKILL to the process tree | failed | 137 |
| longer than requested: SIGTERM, after ``TERM_GRACE`` SIGKILL | terminated | 152 |
| worker stopped or workflow canceled: the same signals | terminated | its own; 152 after SIGKILL |
| one of the last two, and the command exits with 0 within the grace | completed | 0 |
| the command cannot be started: reason in its .e file and in the log | failed | 126 |

The workflow can set other codes than 137 and 152 (``execution_config``). Exit code 0 after SIGTERM
means that the command finished in time, as in Torc; any other exit at the time limit is 152, so
that the diagnosis is certain. The code is the same whether the shell waits for the command or
replaces itself with it (``bash -c 'sleep 9'``). No process of the tree outlives the job.
"""

import os
import resource
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping
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
from torc_watch.sandbox.runner.usage import Usage, UsageMeter
from torc_watch.schedulers.local.worker_settings import PASSWORD_VARIABLE

SAMPLE_INTERVAL = 1 / 20  # seconds
TERM_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
KILL_TIMEOUT = 10.0  # seconds after SIGKILL; a process in uninterruptible sleep may never end

NOT_STARTED = 126


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLaunch:
    """A claimed job, ready to start. Limits are in bytes and seconds; None means no limit.

    ``env`` are its own variables and its workflow's.
    """

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
    env: Mapping[str, str] = field(default_factory=dict)
    submission_directory: str | None = None

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
    """How an attempt ended. ``reason`` is empty if the command exited by itself."""

    launch: JobLaunch
    status: JobStatus
    return_code: int
    exec_seconds: float
    ended_at: datetime
    usage: Usage = field(default_factory=Usage)
    reason: str = ""


class KillReason(Enum):
    """Why the worker ended the job."""

    MEMORY = "used more memory than requested"
    RUNTIME = "ran longer than requested"
    STOPPED = "the worker was stopped"


def classify_exit(
    kill_reason: KillReason | None, exit_code: int, codes: KillCodes
) -> tuple[JobStatus, int]:
    """Status and return code; a negative ``exit_code`` is the signal that ended the shell."""
    if kill_reason is KillReason.MEMORY:
        return JobStatus.FAILED, codes.memory
    if exit_code == 0:
        return JobStatus.COMPLETED, 0
    own_code = exit_code if exit_code > 0 else 128 - exit_code
    if kill_reason is None:
        return JobStatus.FAILED, own_code
    was_killed = exit_code == -signal.SIGKILL
    is_over_time = kill_reason is KillReason.RUNTIME
    return JobStatus.TERMINATED, codes.runtime if is_over_time or was_killed else own_code


def start(launch: JobLaunch, marker: str) -> subprocess.Popen[bytes]:
    """Starts the job's shell in a new session. Raises OSError and ValueError.

    ``marker`` is a ``NAME=value`` that is added to the environment of the process tree.
    """
    launch.stdio_file("o").parent.mkdir(parents=True, exist_ok=True)
    with launch.stdio_file("o").open("wb") as stdout, launch.stdio_file("e").open("wb") as stderr:
        return subprocess.Popen(  # noqa: S603 - runs the user's command
            ["bash", "-c", launch.command],  # noqa: S607 - the user's own bash, as Torc does
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=job_environment(launch, os.environ) | dict([marker.split("=", 1)]),
            start_new_session=True,
        )


def job_environment(launch: JobLaunch, inherited: Mapping[str, str]) -> dict[str, str]:
    """The job's own variables replace inherited ones, and Torc's replace both, as in Torc."""
    environment = {**inherited}
    # Jobs often print their environment into files that others can read.
    environment.pop(PASSWORD_VARIABLE, None)
    environment |= launch.env
    environment |= {
        "TORC_WORKFLOW_ID": str(launch.workflow_id),
        "TORC_RUN_ID": str(launch.run_id),
        "TORC_JOB_ID": str(launch.job_id),
        "TORC_JOB_NAME": launch.name,
        "TORC_OUTPUT_DIR": str(launch.output_dir),
        "TORC_ATTEMPT_ID": str(launch.attempt),
        "TORC_API_URL": launch.api_url,
    }
    if launch.submission_directory is not None:
        environment["TORC_WORKFLOW_SUBMISSION_DIR"] = launch.submission_directory
    return environment


class RunningJob:
    """A job whose shell is running. The caller must ``wait`` for it."""

    def __init__(self, launch: JobLaunch, trees: ProcessTrees) -> None:
        """Starts the job. Raises OSError and ValueError if it cannot be started."""
        self.launch = launch
        self._trees = trees
        self._started = time.monotonic()
        marker = f"TORC_WATCH_ATTEMPT={uuid.uuid4().hex}"
        self._shell = start(launch, marker)
        # No await since the start, so that the first sample includes the shell.
        trees.add(self.shell, marker.encode())
        self._meter = UsageMeter(self._started)
        self._kill_reason: KillReason | None = None
        self._reason = ""
        self._kill_not_before = 0.0
        self._stop = anyio.Event()

    @property
    def shell(self) -> int:
        return self._shell.pid

    def stop(self) -> None:
        self._stop.set()

    def sample(self, members: Iterable[Process]) -> None:
        """Records the resource usage; kills the job if it uses more memory than requested."""
        members = list(members)
        memory = self._meter.sample(time.monotonic(), members)
        limit = self.launch.memory_limit
        if limit is not None and memory > limit:
            detail = f"{format_memory(memory)} of resident memory, {format_memory(limit)} requested"
            self._record_kill(KillReason.MEMORY, detail)
        if self._kill_reason is KillReason.MEMORY:
            send_signals(members, signal.SIGKILL)

    async def wait(self) -> JobEnd:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._enforce_runtime)
                tasks.start_soon(self._terminate_on_stop)
                await self._wait_for_shell()
                tasks.cancel_scope.cancel()
            ended = time.monotonic()
            await self._kill_remaining()
        finally:
            await self._kill_all()
            self._trees.remove(self.shell)
            # Last: until the shell is reaped its process id cannot be reused.
            exit_code, kernel = self._reap()
        status, return_code = classify_exit(self._kill_reason, exit_code, self.launch.kill_codes)
        return JobEnd(
            launch=self.launch,
            status=status,
            return_code=return_code,
            exec_seconds=ended - self._started,
            ended_at=datetime.now(UTC),
            usage=self._meter.total(ended, kernel, _own_peak_memory()),
            reason=self._reason,
        )

    async def _wait_for_shell(self) -> None:
        handle = os.pidfd_open(self.shell)
        try:
            await anyio.wait_readable(handle)
        finally:
            os.close(handle)

    def _reap(self) -> tuple[int, resource.struct_rusage]:
        """The shell's exit code in Popen's form, and its resource usage from the kernel."""
        _, status, kernel = os.wait4(self.shell, os.WNOHANG)
        # So that Popen does not wait for a process id that may be reused.
        self._shell.returncode = os.waitstatus_to_exitcode(status)
        return self._shell.returncode, kernel

    async def _enforce_runtime(self) -> None:
        if self.launch.runtime_limit is None:
            return
        await anyio.sleep(self.launch.runtime_limit)
        if self._record_kill(KillReason.RUNTIME, f"{self.launch.runtime_limit:g} s requested"):
            await self._terminate()

    async def _terminate_on_stop(self) -> None:
        await self._stop.wait()
        if self._record_kill(KillReason.STOPPED):
            await self._terminate()

    def _record_kill(self, kill_reason: KillReason, detail: str = "") -> bool:
        """Only the first reason is recorded; False if there is one already."""
        if self._kill_reason is not None:
            return False
        self._kill_reason = kill_reason
        self._reason = f"{kill_reason.value}: {detail}" if detail else kill_reason.value
        return True

    async def _terminate(self) -> None:
        self._kill_not_before = time.monotonic() + TERM_GRACE
        send_signals(self._living(), signal.SIGTERM)
        await anyio.sleep(TERM_GRACE)
        send_signals(self._living(), signal.SIGKILL)

    async def _kill_remaining(self) -> None:
        """Kills the remaining processes of the tree, after the grace period if there is one."""
        with anyio.move_on_after(TERM_GRACE + KILL_TIMEOUT):
            while living := self._living():
                if time.monotonic() >= self._kill_not_before:
                    send_signals(living, signal.SIGKILL)
                await anyio.sleep(SAMPLE_INTERVAL)

    async def _kill_all(self) -> None:
        """Leaves no process and no zombie of the job behind, also if the worker fails."""
        send_signals(self._living(), signal.SIGKILL)
        with anyio.move_on_after(KILL_TIMEOUT, shield=True):
            await self._wait_for_shell()

    def _living(self) -> list[Process]:
        return self._trees.members().get(self.shell, [])


def not_started(launch: JobLaunch, error: OSError | ValueError) -> JobEnd:
    """The end of a job that could not be started; writes the reason to its .e file."""
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
