"""What is ended on this machine before a job is retried, and what is not."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from torc_watch.core.errors import SchedulerError
from torc_watch.host import processes
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.schedulers.local import attempt_processes
from torc_watch.schedulers.local.attempt_processes import end_attempt_processes

SERVER = "http://127.0.0.1:8080/torc-service/v1"
WORKFLOW = os.getpid()  # unique: the search covers the whole machine, where other tests may run
MARKER = {"TORC_WATCH_TEST": f"attempts-{WORKFLOW}"}
JOB = {
    "TORC_API_URL": SERVER,
    "TORC_WORKFLOW_ID": str(WORKFLOW),
    "TORC_RUN_ID": "3",
    "TORC_JOB_ID": "12",
    "TORC_ATTEMPT_ID": "1",
}
ATTEMPTS = EndedAttempts(server=SERVER, workflow_id=WORKFLOW, run_id=3, attempts={12: 1, 13: 2})

Start = Callable[..., None]


def marked() -> list[processes.Process]:
    return processes.processes_with_environment("=".join(*MARKER.items()).encode())


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process and its child, whose parent has ended."""

    def start(environment: dict[str, str], **options: int) -> None:
        subprocess.run(
            ["/bin/sh", "-c", "(sleep 600; true) >/dev/null 2>&1 &"],
            env=MARKER | environment,
            check=True,
            **options,  # type: ignore[call-overload]
        )

    yield start
    processes.end_all(marked, patience=30)


def test_all_that_is_left_of_the_attempts_is_killed(start: Start) -> None:
    start(JOB)
    start(JOB | {"TORC_JOB_ID": "13", "TORC_ATTEMPT_ID": "2", "TORC_JOB_NAME": "a b\nc"})
    start({name: value for name, value in JOB.items() if name != "TORC_RUN_ID"})  # of 0.12
    assert end_attempt_processes(ATTEMPTS) >= 3
    assert not marked()
    assert end_attempt_processes(ATTEMPTS) == 0


@pytest.mark.parametrize(
    "difference",
    [
        {"TORC_WORKFLOW_ID": f"{WORKFLOW}0"},
        {"TORC_RUN_ID": "2"},
        {"TORC_JOB_ID": "1"},
        {"TORC_JOB_ID": "012"},
        {"TORC_JOB_ID": "13"},
        {"TORC_ATTEMPT_ID": "2"},
        {"TORC_ATTEMPT_ID": ""},
        {"TORC_API_URL": "http://127.0.0.1:8081/torc-service/v1"},
    ],
)
def test_other_processes_are_left_alone(start: Start, difference: dict[str, str]) -> None:
    start(JOB | difference)
    before = {process.identity for process in marked()}
    assert end_attempt_processes(ATTEMPTS) == 0
    assert before <= {process.identity for process in marked()}


@pytest.mark.parametrize("url", ["", "http://no.invalid:8080", "http://127.0.0.2:8080"])
def test_attempt_of_perhaps_another_server_is_no_certainty(start: Start, url: str) -> None:
    start(JOB | {"TORC_API_URL": url})
    with pytest.raises(SchedulerError, match="may be one of them, or of a job of another server"):
        end_attempt_processes(ATTEMPTS)
    assert marked()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes of others")
def test_processes_of_another_user_are_left_alone(start: Start) -> None:
    start(JOB, user=65534)
    assert end_attempt_processes(ATTEMPTS) == 0
    assert marked()


def test_program_that_runs_in_the_attempt_does_not_kill_itself() -> None:
    program = f"""
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.schedulers.local.attempt_processes import end_attempt_processes
attempts = EndedAttempts(server={SERVER!r}, workflow_id={WORKFLOW}, run_id=3, attempts={{12: 1}})
try:
    end_attempt_processes(attempts)
except Exception as error:
    print(error)
"""
    words = [sys.executable, "-P", "-c", program]
    environment = JOB | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("This program runs in one of them.\n", "")


def test_process_that_survives_its_kill_is_no_certainty(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(JOB)
    with monkeypatch.context() as patch:
        patch.setattr(attempt_processes, "_KILL_PATIENCE", 0.05)
        patch.setattr(processes, "send_signals", lambda *_: None)
        with pytest.raises(SchedulerError, match="do not end"):
            end_attempt_processes(ATTEMPTS)
