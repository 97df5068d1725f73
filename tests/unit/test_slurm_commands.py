"""Slurm's commands as real processes: their environment, time limit and failures."""

import os
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from torc_watch.core.errors import SchedulerCommandMissing, SchedulerError, SchedulerUnreachable
from torc_watch.host.subprocesses import NOT_FOUND, TIMED_OUT, CommandResult
from torc_watch.schedulers.slurm.slurm_commands import clean_environment, failure, run_slurm

_CONTROLLER_DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
_CONTROLLER_HUNG = "slurm_load_jobs error: Socket timed out on send/recv operation"
_MUNGE_DOWN = """\
squeue: error: If munged is up, restart with --num-threads=10
squeue: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2": No such file
slurm_load_jobs error: Protocol authentication error
"""
_ACCOUNTING_DOWN = """\
sacct: error: _open_persist_conn: failed to open persistent connection to host:127.0.0.1:6819
sacct: error: Sending PersistInit msg: Connection refused
sacct: error: Problem talking to the database: Connection refused
"""


_OLDER_ACCOUNTING_DOWN = """\
sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host
sacct: error: Sending PersistInit msg: Connection refused
sacct: error: Problem talking to the database: Connection refused
"""
_MUNGE_DOWN_FOR_ACCOUNTING = """\
sacct: error: If munged is up, restart with --num-threads=10
sacct: error: Sending PersistInit msg: Protocol authentication error
sacct: error: Problem talking to the database: Protocol authentication error
"""
_NO_CONFIGURATION = """\
sbatch: error: fetch_config: DNS SRV lookup failed
sbatch: error: _establish_config_source: failed to fetch config
sbatch: fatal: Could not establish a configuration source
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program to write a shell script to."""
    path = tmp_path / "squeue"
    path.touch(0o700)
    return path


def _write(program: Path, script: str) -> str:
    program.write_text(f"#!/bin/sh\n{script}\n")
    return str(program)


def _renamed(program: Path, name: str) -> Path:
    return program.rename(program.with_name(name))


async def test_output_is_returned_without_notices(program: Path) -> None:
    command = _write(program, "echo 'balance: 12 hours' >&2; echo \"$1|$2\"")

    assert await run_slurm(command, "a b", "$(id)") == "a b|$(id)\n"


async def test_output_that_is_not_utf8_is_read(program: Path) -> None:
    assert await run_slurm(_write(program, r"printf '\377|x\n'")) == "\ufffd|x\n"


async def test_settings_of_the_user_are_not_passed_on(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%j")
    monkeypatch.setenv("SLURM_CONF", "/opt/slurm.conf")
    command = _write(program, 'echo "$SQUEUE_FORMAT|$SLURM_CONF|$LC_ALL"')

    assert await run_slurm(command) == "|/opt/slurm.conf|C\n"


@pytest.mark.parametrize(
    ("name", "time_format"),
    [("squeue", "%s"), ("sacct", "%s"), ("scontrol", "%s"), ("sbatch", "")],
)
async def test_times_are_in_seconds_where_times_are_printed(
    program: Path, monkeypatch: pytest.MonkeyPatch, name: str, time_format: str
) -> None:
    monkeypatch.setenv("SLURM_TIME_FORMAT", "%Y")
    command = _write(_renamed(program, name), 'echo "$SLURM_TIME_FORMAT"')

    assert await run_slurm(command) == f"{time_format}\n"


def test_environment_of_the_site_is_kept() -> None:
    kept = {"PATH": "/bin", "HOME": "/home/a", "SLURM_CONF": "x", "SLURM_JWT": "y"}
    dropped = ("SLURM_TIME_FORMAT", "SLURM_CLUSTERS", "SACCT_FORMAT", "SBATCH_ACCOUNT")

    assert clean_environment({**kept, **dict.fromkeys(dropped, "z")}) == {**kept, "LC_ALL": "C"}


async def test_command_that_does_not_answer_is_killed_with_its_children(program: Path) -> None:
    children = program.with_name("child")
    command = _write(program, f"sleep 600 & echo $! >{children}; exit 0")

    with pytest.raises(SchedulerUnreachable, match="did not answer within 2 seconds"):
        await run_slurm(command, time_limit=2)
    await _wait_for_end_of(int(children.read_text()))


async def _wait_for_end_of(pid: int) -> None:
    """A zombie has ended: perhaps nothing reaps it."""
    with anyio.fail_after(30):
        while _is_running(pid):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_canceled_command_is_killed_with_its_children(program: Path) -> None:
    children = program.with_name("child")
    os.mkfifo(children)
    command = _write(program, f"sleep 600 & echo $! >{children}; wait")

    async with anyio.create_task_group() as group:
        group.start_soon(run_slurm, command)
        child = int(await anyio.Path(children).read_text())
        group.cancel_scope.cancel()

    await _wait_for_end_of(child)


async def test_command_that_is_canceled_while_it_starts_is_killed_with_its_children(
    program: Path,
) -> None:
    children = program.with_name("child")
    command = _write(
        program, f"sleep 600 & echo $! >{children}.new; mv {children}.new {children}; wait"
    )

    async with anyio.create_task_group() as group:
        group.start_soon(run_slurm, command)
        while not children.exists():
            await anyio.lowlevel.checkpoint()
            time.sleep(0.05)  # noqa: ASYNC251 - the program goes on, the event loop does not
        group.cancel_scope.cancel()

    await _wait_for_end_of(int(children.read_text()))


async def test_missing_program_is_an_error() -> None:
    with pytest.raises(SchedulerError, match="PATH"):
        await run_slurm("/nowhere/squeue")


@pytest.mark.parametrize(
    ("program", "status", "stderr"),
    [
        ("squeue", 1, _CONTROLLER_DOWN),
        ("squeue", 1, _CONTROLLER_HUNG),
        ("squeue", 1, _MUNGE_DOWN),
        ("sacct", 1, _ACCOUNTING_DOWN),
        ("sacct", 1, _OLDER_ACCOUNTING_DOWN),
        ("sacct", 1, _MUNGE_DOWN_FOR_ACCOUNTING),
        ("sbatch", 1, _NO_CONFIGURATION),
        ("squeue", 0, f"squeue: error: {_CONTROLLER_DOWN}"),
        ("squeue", TIMED_OUT, "squeue did not answer within 60 seconds."),
    ],
)
def test_daemon_that_does_not_answer_is_unreachable(program: str, status: int, stderr: str) -> None:
    error = failure(program, CommandResult(status=status, stderr=stderr))

    assert isinstance(error, SchedulerUnreachable)


@pytest.mark.parametrize(
    ("program", "status", "stderr", "text"),
    [
        ("sacct", 1, "Slurm accounting storage is disabled", "storage is disabled"),
        ("squeue", 1, "slurm_load_jobs error: Invalid job id specified", "Invalid job id"),
        ("squeue", 0, "squeue: error: Invalid job format specification: @", "format"),
        ("squeue", 0, "squeue: error: Invalid user: 4242", "Invalid user"),
        ("squeue", 2, "", "printed no error"),
        ("squeue", NOT_FOUND, "squeue: No such file or directory.", "PATH"),
    ],
)
def test_other_failure_is_an_error(program: str, status: int, stderr: str, text: str) -> None:
    error = failure(program, CommandResult(status=status, stderr=stderr))

    assert error is not None
    assert not isinstance(error, SchedulerUnreachable)
    assert text in str(error)


async def test_command_that_is_not_there() -> None:
    """Some are optional, so that this is told from what else goes wrong."""
    with pytest.raises(SchedulerCommandMissing, match="PATH"):
        await run_slurm("/no/such/folder/sacctmgr")


def test_notice_of_the_site_is_no_failure() -> None:
    notice = "This login node will be rebooted on Monday."

    assert failure("squeue", CommandResult(status=0, stderr=notice)) is None
