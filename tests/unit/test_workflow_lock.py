"""A workflow has one watch at a time, among all processes of a machine."""

import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from errno import ENOLCK, EOPNOTSUPP
from pathlib import Path
from typing import TextIO

import pytest

from torc_watch.core.errors import InvalidInput, JournalError, WatchHeld
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.workflow_lock import lock_workflow

WORKFLOW = WorkflowIdentity(
    server="http://test/torc-service/v1", workflow_id=7, created="2026-01-01"
)
HOLDER = """
import sys
from pathlib import Path
from torc_watch.engine.workflow_lock import lock_workflow
from torc_watch.core.workflow_key import WorkflowIdentity
identity = WorkflowIdentity(server=sys.argv[2], workflow_id=7, created=sys.argv[3])
with lock_workflow(Path(sys.argv[1]), identity):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(locks: Path) -> Iterator[subprocess.Popen[str]]:
    """Holds the workflow while the context is open, or until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(locks), WORKFLOW.server, WORKFLOW.created]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_error_names_the_holder_of_the_lock(tmp_path: Path) -> None:
    with another_process(tmp_path) as process, pytest.raises(WatchHeld) as refusal:
        lock_workflow(tmp_path, WORKFLOW).__enter__()
    assert f"process {process.pid} on {socket.gethostname()} since 20" in str(refusal.value)
    assert "Workflow 7" in str(refusal.value)


@pytest.mark.parametrize(
    ("epoch", "advice"),
    [(3, "First run: torc-watchd pause 7, or leave"), (None, "Stop that watch first, or leave")],
)
def test_error_says_how_to_end_the_other_watch(
    tmp_path: Path, epoch: int | None, advice: str
) -> None:
    with lock_workflow(tmp_path, WORKFLOW, epoch), pytest.raises(WatchHeld) as refusal:
        lock_workflow(tmp_path, WORKFLOW).__enter__()
    assert advice in str(refusal.value)
    assert ("the daemon, process" in str(refusal.value)) == (epoch is not None)


def test_kill_of_the_holder_releases_the_lock(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lock_workflow(tmp_path, WORKFLOW):
            pass


def test_lock_is_released_at_the_end_of_the_context(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            lock_workflow(tmp_path, WORKFLOW),
            pytest.raises(WatchHeld, match=f"process {os.getpid()} "),
        ):
            lock_workflow(tmp_path, WORKFLOW).__enter__()


@pytest.mark.parametrize(
    "other",
    [
        replace(WORKFLOW, workflow_id=8),
        replace(WORKFLOW, created="2026-02-02"),
        replace(WORKFLOW, server="http://other/torc-service/v1"),
    ],
)
def test_lock_does_not_cover_other_workflows(tmp_path: Path, other: WorkflowIdentity) -> None:
    with lock_workflow(tmp_path, WORKFLOW), lock_workflow(tmp_path, other):
        pass


def test_lock_without_a_holder_name_is_respected(tmp_path: Path) -> None:
    with lock_workflow(tmp_path, WORKFLOW):
        (lock,) = tmp_path.iterdir()
        os.truncate(lock, 0)
        with pytest.raises(WatchHeld, match="by another process"):
            lock_workflow(tmp_path, WORKFLOW).__enter__()


@pytest.mark.parametrize("epoch", [None, 3, 2])
def test_lock_of_a_daemon_is_respected(tmp_path: Path, epoch: int | None) -> None:
    with lock_workflow(tmp_path, WORKFLOW, 3), pytest.raises(WatchHeld):
        lock_workflow(tmp_path, WORKFLOW, epoch).__enter__()


def test_lock_of_a_command_is_respected_by_daemons(tmp_path: Path) -> None:
    with lock_workflow(tmp_path, WORKFLOW), pytest.raises(WatchHeld):
        lock_workflow(tmp_path, WORKFLOW, 4).__enter__()


def test_lock_of_a_daemon_that_lost_the_lease_is_taken_over(tmp_path: Path) -> None:
    with lock_workflow(tmp_path, WORKFLOW, 3):
        with lock_workflow(tmp_path, WORKFLOW, 4), pytest.raises(WatchHeld):
            lock_workflow(tmp_path, WORKFLOW).__enter__()
        with lock_workflow(
            tmp_path, WORKFLOW
        ):  # the earlier holder still runs, but has lost the lease
            pass


def test_lock_file_that_was_replaced_while_it_was_opened_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock_workflow(tmp_path, WORKFLOW):
        (lock,) = tmp_path.iterdir()
    flock = fcntl.flock

    def replace_before_the_lock(file: TextIO, how: int) -> None:
        monkeypatch.undo()
        lock.unlink()
        lock.touch()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", replace_before_the_lock)
    with lock_workflow(tmp_path, WORKFLOW), lock.open() as file, pytest.raises(BlockingIOError):
        flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        JournalError, match=r"cannot be written: Not a directory\. Fix that, or set TORC_"
    ):
        lock_workflow(tmp_path / "file" / "locks", WORKFLOW).__enter__()


@pytest.mark.parametrize(
    ("more", "is_allowed"), [(0, False), (1, False), (256, False), (257, True), (600, True)]
)
def test_limit_on_open_files_is_an_error_that_names_the_limit(
    tmp_path: Path, more: int, is_allowed: bool
) -> None:
    """It is no error of the state folder, so that watches with open files continue.

    500 files are open, and ``more`` are allowed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.dup(0)]
    while opened[-1] < 500:
        opened.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (501 + more, hard))
    try:
        with nullcontext() if is_allowed else pytest.raises(InvalidInput, match="ulimit -n"):
            lock_workflow(tmp_path, WORKFLOW).__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in opened:
            os.close(descriptor)


def test_files_are_private(tmp_path: Path) -> None:
    with lock_workflow(tmp_path / "locks", WORKFLOW):
        assert (tmp_path / "locks").stat().st_mode & 0o077 == 0


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Files can be made, but nothing can be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("full_disk")
def test_full_disk_has_no_room_for_who_holds_the_lock(tmp_path: Path) -> None:
    """Which is no error, also when the file is closed."""
    with lock_workflow(tmp_path, WORKFLOW):
        assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]


@pytest.mark.parametrize("number", [ENOLCK, EOPNOTSUPP])
def test_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)

    with (
        pytest.raises(
            JournalError, match=r"has no working locks .* set TORC_WATCHD_HOME"
        ) as caught,
        lock_workflow(tmp_path, WORKFLOW),
    ):
        pass
    assert str(tmp_path) in str(caught.value)
