"""The local runner with real jobs: how they end, their measured usage, and cleanup."""

import os
import shlex
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from torc_watch.core.model import JobStatus
from torc_watch.core.units import MIB
from torc_watch.host.processes import (
    Process,
    all_processes,
    find_process,
    processes_with_environment,
)
from torc_watch.sandbox.runner import job
from torc_watch.sandbox.runner.job import JobEnd, JobLaunch
from torc_watch.sandbox.runner.running_jobs import RunningJobs

pytestmark = pytest.mark.slow

PYTHON = shlex.quote(sys.executable) + " -S -c "
# Allocates more and more memory, limited in size and time in case the test fails.
HOGGING = """
import time
kept = []
for _ in range(80):
    kept.append(bytearray(b'x') * 4_000_000)
    time.sleep(.01)
time.sleep(20)
"""
HOG = PYTHON + shlex.quote(HOGGING)
LATE_SETSID = PYTHON + shlex.quote(f"import os, time\ntime.sleep(1)\nos.setsid()\n{HOGGING}")
FOREVER = PYTHON + shlex.quote("import signal; signal.pause()")
IGNORES_SIGTERM = PYTHON + shlex.quote(
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n"
    "while True: signal.pause()"
)


@pytest.fixture
def a_job(tmp_path: Path) -> Callable[..., JobLaunch]:
    def make(command: str, **changes: object) -> JobLaunch:
        launch = JobLaunch(
            workflow_id=7,
            job_id=3,
            run_id=2,
            attempt=1,
            name="a job",
            command=command,
            output_dir=tmp_path,
            api_url="http://127.0.0.1:1/torc-service/v1",
            memory_limit=None,
            runtime_limit=None,
        )
        for field, value in changes.items():
            object.__setattr__(launch, field, value)
        return launch

    return make


@pytest.fixture
def own_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """The living processes of this test's jobs, found by a marker in their environment."""
    token = uuid.uuid4().hex
    monkeypatch.setenv("TORC_WATCH_TEST", token)
    return lambda: [
        process.pid for process in processes_with_environment(f"TORC_WATCH_TEST={token}".encode())
    ]


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a busy machine no job is killed: jobs end because of SIGTERM."""
    monkeypatch.setattr(job, "TERM_GRACE", 600.0)


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "TERM_GRACE", 0.2)


async def run(
    launch: JobLaunch,
    *,
    clock_starts_when: Callable[[], bool] = lambda: True,
    stop_when: Callable[[], bool] | None = None,
) -> JobEnd:
    """Starts the job and blocks the event loop, with its limits, until ``clock_starts_when``."""
    ends: list[JobEnd] = []
    async with anyio.create_task_group() as tasks:
        jobs = RunningJobs(tasks, ends.append)
        jobs.start(launch)
        block_until(clock_starts_when)
        if stop_when is not None:
            await until(stop_when)
            jobs.stop()
    [end] = ends
    assert len(jobs) == 0
    return end


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(50):
        while not condition():  # noqa: ASYNC110 - other processes set no events
            await anyio.sleep(0.01)


def block_until(condition: Callable[[], bool]) -> None:
    """Like ``until``, but blocks the event loop."""
    deadline = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_printed(launch: JobLaunch, text: str) -> Callable[[], bool]:
    stdout = launch.stdio_file("o")
    return lambda: stdout.exists() and text in stdout.read_text()


@pytest.mark.parametrize(
    ("command", "status", "return_code"),
    [
        ("true", JobStatus.COMPLETED, 0),
        ("exit 3", JobStatus.FAILED, 3),
        ("kill -SEGV $$", JobStatus.FAILED, 139),
        (f"{PYTHON} 'import os; os.kill(os.getpid(), 9)'", JobStatus.FAILED, 137),
        (f"{PYTHON} 'import os; os.kill(os.getpid(), 9)'; exit $?", JobStatus.FAILED, 137),
        ("no-such-program-of-mine", JobStatus.FAILED, 127),
    ],
)
async def test_command_that_ends_by_itself_keeps_its_code(
    a_job: Callable[..., JobLaunch], command: str, status: JobStatus, return_code: int
) -> None:
    end = await run(a_job(command))
    assert (end.status, end.return_code, end.reason) == (status, return_code, "")


async def test_environment_and_output_files_of_a_job(
    a_job: Callable[..., JobLaunch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORC_PASSWORD", "s3cret")
    names = ("WORKFLOW_ID", "JOB_ID", "JOB_NAME", "OUTPUT_DIR", "ATTEMPT_ID", "API_URL")
    shown = "|".join(f"${{TORC_{name}-unset}}" for name in (*names, "PASSWORD"))
    await run(a_job(f'echo "{shown}"; cat; echo oops >&2', name="it's $(a) name\n"))
    stdio = tmp_path / "job_stdio"
    api_url = "http://127.0.0.1:1/torc-service/v1"
    expected = f"7|3|it's $(a) name\n|{tmp_path}|1|{api_url}|unset\n"
    assert (stdio / "job_wf7_j3_r2_a1.o").read_text() == expected
    assert (stdio / "job_wf7_j3_r2_a1.e").read_text() == "oops\n"


@pytest.mark.parametrize(
    "command",
    [
        HOG,
        f"{HOG}; exit 0",
        f"({HOG}) & wait",
        f"setsid {HOG} & sleep 60",
        f"env -u TORC_WATCH_ATTEMPT setsid {HOG} & sleep 60",
        f"setsid --fork {HOG}; sleep 60",
        f"(env -u TORC_WATCH_ATTEMPT {LATE_SETSID} &); sleep 60",
    ],
    ids=[
        "itself",
        "child",
        "grandchild",
        "own session",
        "unmarked own session",
        "double fork",
        "unmarked double fork",
    ],
)
async def test_too_much_memory_anywhere_in_the_tree_kills_the_whole_tree(
    a_job: Callable[..., JobLaunch], own_processes: Callable[[], list[int]], command: str
) -> None:
    end = await run(a_job(command, memory_limit=96 * MIB))
    assert (end.status, end.return_code) == (JobStatus.FAILED, 137)
    assert end.usage.peak_memory is not None
    assert end.usage.peak_memory > 96 * MIB
    assert "96m requested" in end.reason
    assert own_processes() == []


async def test_memory_is_summed_over_the_tree(
    a_job: Callable[..., JobLaunch],
) -> None:
    hold = PYTHON + shlex.quote("kept = bytearray(b'x') * 40_000_000; input()")
    parts = " & ".join([f"tail -f /dev/null | {hold}"] * 3)
    end = await run(a_job(f"{parts} & wait", memory_limit=96 * MIB))
    assert end.return_code == 137


async def test_job_within_its_memory_limit_is_only_measured(
    a_job: Callable[..., JobLaunch],
) -> None:
    work = PYTHON + shlex.quote(
        "import time; kept = bytearray(b'x') * 80_000_000\nwhile time.process_time() < .3: pass"
    )
    end = await run(a_job(work, memory_limit=200 * MIB))
    usage = end.usage
    assert end.status is JobStatus.COMPLETED
    assert usage.peak_memory is not None
    assert usage.average_memory is not None
    assert 80_000_000 < usage.peak_memory < 130_000_000
    assert 10_000_000 < usage.average_memory <= usage.peak_memory
    assert usage.average_cpu is not None
    assert 0.25 < usage.average_cpu / 100 * end.exec_seconds < 1


@pytest.mark.parametrize(
    ("command", "status", "return_code"),
    [
        ("echo ready; exec sleep 600", JobStatus.TERMINATED, 152),
        ("echo ready; sleep 600; echo never", JobStatus.TERMINATED, 152),
        ("trap 'exit 9' TERM; echo ready; sleep 600 & wait", JobStatus.TERMINATED, 152),
        ("trap 'exit 0' TERM; echo ready; sleep 600 & wait", JobStatus.COMPLETED, 0),
    ],
)
@pytest.mark.usefixtures("long_grace")
async def test_job_at_its_time_limit(
    a_job: Callable[..., JobLaunch],
    own_processes: Callable[[], list[int]],
    command: str,
    status: JobStatus,
    return_code: int,
) -> None:
    launch = a_job(command, runtime_limit=0.3)
    end = await run(launch, clock_starts_when=has_printed(launch, "ready"))
    assert (end.status, end.return_code) == (status, return_code)
    assert "0.3 s requested" in end.reason
    assert end.exec_seconds >= 0.3
    assert own_processes() == []


@pytest.mark.parametrize(
    "command", [f"{IGNORES_SIGTERM}; true", "trap '' TERM; echo deaf; sleep 600; true"]
)
@pytest.mark.usefixtures("short_grace")
async def test_job_that_ignores_sigterm_is_killed_after_the_grace(
    a_job: Callable[..., JobLaunch], own_processes: Callable[[], list[int]], command: str
) -> None:
    launch = a_job(command, runtime_limit=0.1)
    end = await run(launch, clock_starts_when=has_printed(launch, "deaf"))
    assert (end.status, end.return_code) == (JobStatus.TERMINATED, 152)
    assert own_processes() == []


SAVING = PYTHON + shlex.quote(
    "import os, signal, sys, time\n"
    "def save(*_):\n"
    "    while not os.path.exists('go'): time.sleep(.01)\n"
    "    open('checkpoint', 'w').write('all'); sys.exit()\n"
    "signal.signal(signal.SIGTERM, save)\n"
    "print('ready', flush=True)\n"
    "while True: signal.pause()"
)


@pytest.mark.usefixtures("long_grace")
async def test_child_may_use_the_grace_after_the_shell_has_ended(
    a_job: Callable[..., JobLaunch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell's process id is not reused meanwhile, so no foreign process joins the job."""
    monkeypatch.chdir(tmp_path)
    launch = a_job(f"echo $$; {SAVING}; true", runtime_limit=0.1)

    def shell() -> Process | None:
        return find_process(int(launch.stdio_file("o").read_text().split()[0]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: run(launch, clock_starts_when=has_printed(launch, "ready")))
        await until(has_printed(launch, "ready"))
        await until(lambda: (process := shell()) is None or process.is_dead)
        assert shell() is not None
        (tmp_path / "go").touch()
    assert (tmp_path / "checkpoint").read_text() == "all"
    assert shell() is None


@pytest.mark.parametrize(
    ("command", "status", "return_code"),
    [
        (f"echo ready; {FOREVER}", JobStatus.TERMINATED, 143),
        (f"echo ready; exec {FOREVER}", JobStatus.TERMINATED, 143),
        ("trap 'exit 7' TERM; echo ready; sleep 60 & wait", JobStatus.TERMINATED, 7),
        ("trap 'exit 0' TERM; echo ready; sleep 60 & wait", JobStatus.COMPLETED, 0),
        (f"{IGNORES_SIGTERM} | tee; echo ready", JobStatus.TERMINATED, 143),
        (f"exec {IGNORES_SIGTERM}", JobStatus.TERMINATED, 152),
    ],
)
@pytest.mark.usefixtures("short_grace")
async def test_stopped_job_has_its_grace_and_leaves_no_processes(
    a_job: Callable[..., JobLaunch],
    own_processes: Callable[[], list[int]],
    command: str,
    status: JobStatus,
    return_code: int,
) -> None:
    launch = a_job(command)
    sign = "deaf" if "deaf" in command else "ready"
    end = await run(launch, stop_when=has_printed(launch, sign))
    assert (end.status, end.return_code) == (status, return_code)
    assert own_processes() == []


@pytest.mark.parametrize(
    "command",
    [
        f"{FOREVER} & exit 0",
        f"{IGNORES_SIGTERM} & exit 0",
        f"setsid --fork {FOREVER}; exit 0",
        f"(setsid {FOREVER} &); nohup {FOREVER} & disown; exit 0",
        "yes > /dev/null & exit 0",
    ],
)
async def test_processes_that_outlive_the_command_are_killed(
    a_job: Callable[..., JobLaunch], own_processes: Callable[[], list[int]], command: str
) -> None:
    end = await run(a_job(command))
    assert (end.status, end.return_code) == (JobStatus.COMPLETED, 0)
    assert own_processes() == []


async def test_job_with_endless_output_ends_at_its_time_limit(
    a_job: Callable[..., JobLaunch],
) -> None:
    launch = a_job("yes all work and no play | head -c 50000000; sleep 60", runtime_limit=0.5)
    end = await run(launch)
    assert end.return_code == 152
    assert launch.stdio_file("o").stat().st_size > 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"command": "echo \0"}, "null byte"),
        ({"name": "a\0b"}, "null byte"),
        ({"command": "x" * 3_000_000}, "too long"),
        ({"output_dir": Path("/proc/nowhere")}, "No such file"),
    ],
)
async def test_job_that_cannot_be_started_fails_with_a_reason(
    a_job: Callable[..., JobLaunch], changes: dict[str, object], reason: str
) -> None:
    launch = a_job("true")
    for field, value in changes.items():
        object.__setattr__(launch, field, value)
    end = await run(launch)
    assert (end.status, end.return_code) == (JobStatus.FAILED, 126)
    assert reason in end.reason
    if launch.output_dir.exists():
        assert reason in launch.stdio_file("e").read_text()


async def test_missing_bash_fails_the_job_only(
    a_job: Callable[..., JobLaunch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    launch = a_job("true")
    end = await run(launch)
    assert end.return_code == 126
    assert "bash" in launch.stdio_file("e").read_text()


async def test_concurrent_jobs_are_kept_apart(a_job: Callable[..., JobLaunch]) -> None:
    ends: dict[int, JobEnd] = {}
    async with anyio.create_task_group() as tasks:
        jobs = RunningJobs(tasks, lambda end: ends.update({end.launch.job_id: end}))
        jobs.start(a_job(HOG, job_id=1, memory_limit=64 * MIB))
        jobs.start(a_job("sleep 0.5; exit 4", job_id=2, memory_limit=64 * MIB))
        jobs.start(a_job(FOREVER, job_id=3, memory_limit=64 * MIB, runtime_limit=0.7))
        assert len(jobs) == 3
    assert {job: end.return_code for job, end in ends.items()} == {1: 137, 2: 4, 3: 152}


async def test_failing_worker_kills_its_jobs(
    a_job: Callable[..., JobLaunch], own_processes: Callable[[], list[int]]
) -> None:
    launch = a_job(f"echo ready; {FOREVER}")
    async with anyio.create_task_group() as tasks:
        RunningJobs(tasks, lambda _end: None).start(launch)
        await until(has_printed(launch, "ready"))
        assert own_processes() != []
        tasks.cancel_scope.cancel()
    await until(lambda: own_processes() == [])


def test_no_zombies_remain(a_job: Callable[..., JobLaunch]) -> None:
    before = zombies()
    anyio.run(run, a_job("true"))
    assert zombies() <= before


def zombies() -> set[int]:
    """The children of this process that have ended and are not reaped."""
    return {p.pid for p in all_processes() if p.parent == os.getpid() and p.is_dead}
