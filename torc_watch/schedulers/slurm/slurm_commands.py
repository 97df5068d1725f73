"""Runs Slurm's commands: no shell, a clean environment, a time limit for all that they start."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process

from torc_watch.core.errors import SchedulerCommandMissing, SchedulerError, SchedulerUnreachable
from torc_watch.host.subprocesses import NOT_FOUND, TIMED_OUT, CommandResult, start_session

# Longer than a slow site takes to answer, and than Slurm itself waits for its daemons. A command
# would wait for ever for munged, if that crashed and left its socket.
TIME_LIMIT = 60.0  # seconds
INVALID_NUMBER = "Invalid job id specified"
NO_ACCOUNTING = "Slurm accounting storage is disabled"

# What the user sets for their own calls changes fields, formats, filters and clusters.
_USER_SETTINGS = ("SLURM_", "SQUEUE_", "SACCT_", "SBATCH_", "SCANCEL_", "SCONTROL_", "SINFO_")
# TORC_PASSWORD, TORC_WATCHD_PASSWORD; and what systemd sets for a service.
_OWN_SETTINGS = (
    *("TORC_PASSWORD", "TORC_WATCHD_", "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM"),
    *("WATCHDOG_", "LISTEN_", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_", "MANAGERPID"),
)
# Where the cluster is, and who the user is.
_SITE_SETTINGS = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"})
# Else times are local, and not to be understood in the hour when summer time ends. Only of what
# prints times: sbatch passes its environment on to the job.
_TABLE_SETTINGS = {"SLURM_TIME_FORMAT": "%s"}
_TABLE_PROGRAMS = ("squeue", "sacct", "scontrol")
# What commands print while a daemon is down, hangs, or does not believe us, and where there is no
# configuration of a cluster.
_UNREACHABLE = (
    "Unable to contact slurm controller",
    "Socket timed out on send/recv operation",
    "Protocol authentication error",
    "Problem talking to the database",
    "Connection refused",
    "Unable to query jobs state",
    "Could not establish a configuration source",
)
_ERROR_LINES = 3  # of a message


async def run_slurm(*command: str, time_limit: float = TIME_LIMIT) -> str:
    """Runs a command and returns its output.

    Raises SchedulerUnreachable if Slurm did not answer: whether the command has taken effect is not
    known. Raises SchedulerError if it failed, was not found, or succeeded but reported an error.
    """
    result = await _run(command, time_limit)
    if error := failure(command[0], result):
        raise error
    return result.stdout


async def run_for_messages(*command: str, time_limit: float = TIME_LIMIT) -> str:
    """Runs a command and returns what it wrote as messages. Raises as run_slurm does."""
    result = await _run(command, time_limit)
    if error := failure(command[0], result):
        raise error
    return result.stderr


def failure(program: str, result: CommandResult) -> SchedulerError | None:
    """The error that a command reports, also one that ends with status 0."""
    if result.status == TIMED_OUT:
        return SchedulerUnreachable(
            f"{result.stderr} Slurm's controller hangs or is overloaded; wait until it answers."
        )
    if result.status == NOT_FOUND:
        return SchedulerCommandMissing(
            f"{result.stderr} Add the folder of Slurm's commands to the PATH of torc-watchd."
        )
    errors = _error_lines(program, result)
    if any(text in line for line in errors for text in _UNREACHABLE):
        return SchedulerUnreachable(
            f"Slurm does not answer {program}: {errors[-1]}. Wait until its daemons run again; "
            "tell the administrators if they do not."
        )
    if errors:
        return SchedulerError(
            f"{program} failed with status {result.status}: {' / '.join(errors[-_ERROR_LINES:])}."
            f"{advice(program)}"
        )
    return None


def advice(program: str) -> str:
    """What the message of an error ends with."""
    return f" Run {program} by hand on this login node to find out why."


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what the user set for Slurm's commands, and with messages in English.

    sbatch hands the environment on to the job: without the password, and without what belongs to
    the service that this process is.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in _SITE_SETTINGS or not name.startswith(_USER_SETTINGS + _OWN_SETTINGS)
    }
    return {**kept, "LC_ALL": "C"}


def _environment(program: str) -> dict[str, str]:
    settings = _TABLE_SETTINGS if Path(program).name in _TABLE_PROGRAMS else {}
    return clean_environment(os.environ) | settings


def _error_lines(program: str, result: CommandResult) -> list[str]:
    """With status 0 only those that are surely errors: sites print notices there, too."""
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    if result.status:
        return lines or ["it printed no error"]
    return [line for line in lines if line.startswith(f"{program}: error:")]


async def _run(command: tuple[str, ...], time_limit: float) -> CommandResult:
    try:
        process = await start_session(command, environment=_environment(command[0]))
    except OSError as error:
        return CommandResult(status=NOT_FOUND, stderr=f"{command[0]}: {error.strerror}.")
    result = None
    async with process:
        try:
            with anyio.move_on_after(time_limit):
                result = await _result_of(process)
        finally:
            if result is None:
                _kill_group(process)
    message = f"{command[0]} did not answer within {time_limit:g} seconds."
    return result or CommandResult(status=TIMED_OUT, stderr=message)


async def _result_of(process: Process) -> CommandResult:
    printed: dict[str, str] = {}

    async def read(name: str, stream: ByteReceiveStream | None) -> None:
        parts = [part async for part in stream] if stream is not None else []
        printed[name] = b"".join(parts).decode(errors="replace")

    async with anyio.create_task_group() as group:
        group.start_soon(read, "stdout", process.stdout)
        group.start_soon(read, "stderr", process.stderr)
    return CommandResult(status=await process.wait(), **printed)


def _kill_group(process: Process) -> None:
    """A site's wrapper of a command may have started others, and may have ended before them."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
