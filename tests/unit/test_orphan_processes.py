"""Which processes are orphans of dead workers, and which are not."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from torc_watch.core.errors import SchedulerError
from torc_watch.host import processes
from torc_watch.schedulers.local import orphan_processes
from torc_watch.schedulers.local.orphan_processes import end_orphan_processes
from torc_watch.torc.server_url import is_same_server

SERVER = "http://127.0.0.1:8080/torc-service/v1"
WORKFLOW = os.getpid()  # unique: the search covers the whole machine, where other tests may run
MARKER = {"TORC_WATCH_TEST": str(os.getpid())}
JOB = {"TORC_WORKFLOW_ID": str(WORKFLOW), "TORC_JOB_ID": "12", "TORC_API_URL": SERVER}

Start = Callable[..., None]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process and its child, and orphans both, as a killed runner does."""

    def start(environment: dict[str, str], **options: int) -> None:
        subprocess.run(
            ["/bin/sh", "-c", "(sleep 600; true) >/dev/null 2>&1 &"],
            env=MARKER | environment,
            check=True,
            **options,  # type: ignore[call-overload]
        )

    yield start
    processes.end_all(marked, patience=30)


def marked() -> list[processes.Process]:
    return processes.processes_with_environment("=".join(*MARKER.items()).encode())


def test_all_orphan_processes_of_a_job_are_killed(start: Start) -> None:
    for job_id in ("12", "13"):
        start(JOB | {"TORC_JOB_ID": job_id})
    assert end_orphan_processes(SERVER, WORKFLOW, [12, 13]) >= 2
    assert not marked()
    assert end_orphan_processes(SERVER, WORKFLOW, [12, 13]) == 0


@pytest.mark.parametrize(
    "difference",
    [
        {"TORC_WORKFLOW_ID": "8"},
        {"TORC_JOB_ID": "1"},
        {"TORC_JOB_ID": "122"},
        {"TORC_API_URL": "http://127.0.0.1:8081/torc-service/v1"},
        {"TORC_API_URL": ""},
    ],
)
def test_processes_of_other_jobs_are_not_killed(start: Start, difference: dict[str, str]) -> None:
    start(JOB | difference)
    before = {process.identity for process in marked()}
    assert end_orphan_processes(SERVER, WORKFLOW, [12]) == 0
    assert before <= {process.identity for process in marked()}


@pytest.mark.parametrize("missing", JOB)
def test_processes_without_a_full_identity_are_not_killed(start: Start, missing: str) -> None:
    start({name: value for name, value in JOB.items() if name != missing})
    assert end_orphan_processes(SERVER, WORKFLOW, [12]) == 0
    assert marked()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes of others")
def test_processes_of_another_user_are_not_killed(start: Start) -> None:
    start(JOB, user=65534)
    assert end_orphan_processes(SERVER, WORKFLOW, [12]) == 0
    assert marked()


def test_watch_that_runs_in_a_job_does_not_kill_itself() -> None:
    program = f"""
import subprocess
from torc_watch.schedulers.local.orphan_processes import end_orphan_processes
with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
    print(end_orphan_processes({SERVER!r}, {WORKFLOW}, [12]), child.poll())
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=JOB, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("0 None\n", "")


def test_orphan_that_survives_its_kill_is_an_error(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(JOB)
    with monkeypatch.context() as patch:
        patch.setattr(orphan_processes, "_KILL_PATIENCE", 0.05)
        patch.setattr(processes, "send_signals", lambda *_: None)
        with pytest.raises(SchedulerError, match="do not end when they are killed"):
            end_orphan_processes(SERVER, WORKFLOW, [12])


@pytest.mark.parametrize(
    ("written", "is_same"),
    [
        (SERVER, True),
        (f"{SERVER}/", True),
        ("http://localhost:8080/torc-service/v1", True),
        ("http://127.0.0.1:8080", True),
        ("https://127.0.0.1:8080/torc-service/v1", False),
        ("http://127.0.0.1:80/torc-service/v1", False),
        ("http://127.0.0.1:8080/proxy/torc-service/v1", False),
        ("http://127.0.0.2:8080/torc-service/v1", False),
        ("http://unknown.invalid:8080/torc-service/v1", False),
        ("http://a..b:8080/torc-service/v1", False),
        ("no URL", False),
    ],
)
def test_urls_of_the_same_server(written: str, is_same: bool) -> None:
    assert is_same_server(SERVER, written) is is_same
