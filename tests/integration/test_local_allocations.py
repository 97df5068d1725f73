"""Allocations of this machine: real worker processes, real crashes of their submitters."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from torc_watch.core.allocation import AllocationSpec, AllocationState, AllocationStatus
from torc_watch.core.errors import SchedulerError
from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB
from torc_watch.host.processes import find_process, processes_with_environment, send_signals
from torc_watch.sandbox.server import ServerSettings, serve
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.local import local_scheduler
from torc_watch.schedulers.local.allocation_folder import AllocationFolder
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements, NewWorkflow
from torc_watch.torc.transport import Connection, Transport

pytestmark = pytest.mark.slow

NOBODY = Connection(url="http://127.0.0.1:1")


def a_spec(token: str) -> AllocationSpec:
    return AllocationSpec(token=token, num_cpus=2, memory=2 * GIB)


def for_workflow(connection: Connection, workflow_id: int, output_dir: Path) -> WorkerAssignment:
    return WorkerAssignment(
        connection=connection,
        workflow_id=workflow_id,
        scheduler_config_id=1,
        output_dir=output_dir,
    )


IN_VAIN = for_workflow(NOBODY, 1, Path())  # for workers that find no server


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for allocations; what still runs of them is ended after the test."""
    token = uuid.uuid4().hex
    monkeypatch.setenv("TORC_WATCH_TEST", token)
    yield tmp_path / "home" / "allocations"
    send_signals(processes_with_environment(f"TORC_WATCH_TEST={token}".encode()), signal.SIGKILL)


@pytest.fixture
def local(directory: Path) -> LocalScheduler:
    return LocalScheduler(directory)


@asynccontextmanager
async def a_server(directory: Path) -> AsyncIterator[str]:
    """An embedded server on a real socket; its URL."""
    async with anyio.create_task_group() as tasks:
        listening = anyio.Event()
        urls: list[str] = []

        def announce(text: str) -> None:
            urls.append(text)
            listening.set()

        settings = ServerSettings(directory=directory / "server", unblock_interval=0.05)
        tasks.start_soon(lambda: serve(settings, announce=announce))
        await listening.wait()
        yield urls[0]
        tasks.cancel_scope.cancel()


def folders(directory: Path) -> list[AllocationFolder]:
    return [AllocationFolder(path) for path in directory.iterdir() if path.name.isdecimal()]


async def until(happened: Callable[[], object]) -> None:
    with anyio.fail_after(50):
        while not happened():  # noqa: ASYNC110 - other processes set no events
            await anyio.sleep(0.02)


async def until_not_alive(local: LocalScheduler, number: int) -> None:
    with anyio.fail_after(50):
        while await state(local, number) is AllocationState.ALIVE:  # noqa: ASYNC110
            await anyio.sleep(0.02)


async def state(local: LocalScheduler, number: int) -> AllocationState:
    return (await local.statuses([number]))[number].state


def number_of(directory: Path, token: str) -> int | None:
    """Of the allocation with this token, if its worker was ever started."""
    for folder in folders(directory) if directory.exists() else ():
        with suppress(SchedulerError):
            if folder.read_record().spec.token == token and folder.was_started():
                return folder.number
    return None


async def test_an_allocation_lives_from_its_submission_to_its_cancellation(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORC_WATCHD_NOTIFY", "slack://of-the-daemon-alone")
    secret = "s3cret-of-mine"  # noqa: S105
    connection = Connection(url="http://127.0.0.1:1", username="me", password=secret)
    local = LocalScheduler(directory)
    work = for_workflow(connection, 1, Path())
    number = await local.submit(a_spec("t"), work)
    assert await state(local, number) is AllocationState.ALIVE
    assert await local.submit(a_spec("t"), work) == number
    folder = AllocationFolder(directory / str(number))
    await until(folder.worker)
    worker = folder.worker()
    assert worker is not None
    assert worker.session == worker.pid
    proc = Path("/proc") / str(worker.pid)
    assert secret in (proc / "environ").read_text()
    assert "of-the-daemon-alone" not in (proc / "environ").read_text()
    assert secret not in (proc / "cmdline").read_text()
    assert not [path for path in folder.path.iterdir() if secret in path.read_text()]
    await local.cancel(number)
    await until_not_alive(local, number)
    assert await state(local, number) is AllocationState.GONE
    assert await local.submit(a_spec("t"), work) == number
    assert await state(local, number) is AllocationState.GONE
    await local.cancel(number)
    with anyio.fail_after(50):  # asking for statuses leaves no zombies
        while find_process(worker.pid) is not None:
            await state(local, number)


async def test_submitters_with_one_token_start_one_worker(directory: Path) -> None:
    numbers: list[int] = []

    async def submit() -> None:
        numbers.append(await LocalScheduler(directory).submit(a_spec("t"), IN_VAIN))

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(submit)
    [folder] = folders(directory)
    assert numbers == [folder.number] * 6
    await until(folder.worker)
    assert len(processes_with_environment(folder.marker.encode())) == 1


async def test_queries_and_starts_wait_for_the_lock_of_the_directory(
    local: LocalScheduler, directory: Path
) -> None:
    number = await local.submit(a_spec("first"), IN_VAIN)
    await until(AllocationFolder(directory / str(number)).worker)
    lock = directory / "lock"
    inode = f":{lock.stat().st_ino} "

    def waiters() -> int:
        locks = Path("/proc/locks").read_text().splitlines()
        return sum("-> FLOCK" in line and inode in line for line in locks)

    async with anyio.create_task_group() as tasks:
        with lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            tasks.start_soon(local.submit, a_spec("second"), IN_VAIN)
            tasks.start_soon(local.submit, a_spec("first"), IN_VAIN)
            tasks.start_soon(local.statuses, [number])
            tasks.start_soon(local.cancel, number)
            await until(lambda: waiters() == 4)
            assert [folder.number for folder in folders(directory)] == [number]
    assert number_of(directory, "second") is not None


CRASHING_SUBMITTER = """
import os, signal, subprocess, sys
from pathlib import Path
import anyio
from torc_watch.core.allocation import AllocationSpec
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.torc.transport import Connection

root = sys.argv[1]
STEPS = {"os.mkdir", "os.rename", "fcntl.flock", "subprocess.Popen"}

def crash_at(last):
    steps = 0
    def step():
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
    def hook(event, arguments):
        if event in STEPS or (event == "open" and str(arguments[0]).startswith(root)):
            step()
    start = subprocess.Popen.__init__
    def start_then_step(*arguments, **named):
        start(*arguments, **named)
        step()
    subprocess.Popen.__init__ = start_then_step
    sys.addaudithook(hook)

def submit(directory):
    local = LocalScheduler(Path(directory))
    spec = AllocationSpec(token="t", num_cpus=2, memory=2**31)
    work = WorkerAssignment(
        connection=Connection(url="http://127.0.0.1:1"),
        workflow_id=1,
        scheduler_config_id=1,
        output_dir=Path(),
    )
    anyio.run(local.submit, spec, work)

step, status = 0, signal.SIGKILL
while status == signal.SIGKILL:
    step += 1
    child = os.fork()
    if child == 0:
        crash_at(step)
        submit(f"{root}/{step}")
        os._exit(0)
    _, status = os.waitpid(child, 0)
"""


async def test_a_submitter_killed_at_any_step_leaves_exactly_one_worker_after_the_next(
    directory: Path,
) -> None:
    """In directory n the submitter was killed at its n-th step; in the last one it was not."""
    await anyio.run_process([sys.executable, "-c", CRASHING_SUBMITTER, str(directory)])
    steps = sorted(folder.number for folder in folders(directory))
    before = [number_of(directory / str(n), "t") for n in steps]
    assert before[0] is None
    assert before[-2:] == [1, 1]  # killed right after the start, and not at all
    for n, number in zip(steps, before, strict=True):
        local = LocalScheduler(directory / str(n))
        submitted = await local.submit(a_spec("t"), IN_VAIN)
        assert number in (None, submitted)
        assert await state(local, submitted) is AllocationState.ALIVE
        folder = AllocationFolder(directory / str(n) / str(submitted))
        await until(folder.worker)
        assert len(processes_with_environment(folder.marker.encode())) == 1
        started = [other for other in folders(directory / str(n)) if other.was_started()]
        assert started == [folder]
    assert len(steps) > 8


async def test_a_worker_that_never_recorded_itself_counts_as_not_started(
    local: LocalScheduler, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        number = await local.submit(a_spec("t"), IN_VAIN)
        await until_not_alive(local, number)
    assert number_of(directory, "t") is None
    assert await local.submit(a_spec("t"), IN_VAIN) == number
    assert await state(local, number) is AllocationState.ALIVE


async def test_a_killed_worker_is_gone_although_its_end_cannot_be_recorded(
    directory: Path,
) -> None:
    not_text = directory / os.fsdecode(b"\xff")
    local = LocalScheduler(not_text)
    number = await local.submit(a_spec("t"), IN_VAIN)
    folder = AllocationFolder(not_text / str(number))
    await until(folder.worker)
    (folder.path / f".end.json.{os.getpid()}").mkdir()  # in the way, as a full disk would be
    send_signals(processes_with_environment(os.fsencode(folder.marker)), signal.SIGKILL)
    await until_not_alive(local, number)
    assert await state(local, number) is AllocationState.GONE
    assert not folder.has_recorded_end()


async def test_a_record_of_the_first_version_is_read(
    local: LocalScheduler, directory: Path
) -> None:
    """It knew no other runner than ours, and recorded none."""
    number = await local.submit(a_spec("t"), IN_VAIN)
    path = directory / str(number) / "order.json"
    written = json.loads(path.read_text())
    del written["torc_program"]
    path.write_text(json.dumps(written))
    assert await state(local, number) is not AllocationState.UNKNOWN
    assert await local.submit(a_spec("t"), IN_VAIN) == number


async def test_status_that_cannot_be_told_here_is_unknown(
    local: LocalScheduler, directory: Path
) -> None:
    elsewhere, unreadable = (
        await local.submit(a_spec("a"), IN_VAIN),
        await local.submit(a_spec("b"), IN_VAIN),
    )
    order = directory / str(elsewhere) / "order.json"
    order.write_text(json.dumps(json.loads(order.read_text()) | {"hostname": "another-host"}))
    (directory / str(unreadable) / "order.json").write_text("{")
    assert await local.statuses([elsewhere, unreadable, 77]) == dict.fromkeys(
        [elsewhere, unreadable, 77], AllocationStatus(state=AllocationState.UNKNOWN)
    )
    with pytest.raises(SchedulerError, match="another-host"):
        await local.cancel(elsewhere)


async def test_another_process_with_the_reused_pid_of_the_worker_is_not_signaled(
    local: LocalScheduler, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_scheduler, "_CANCEL_PATIENCE", 0.3)
    number = await local.submit(a_spec("t"), IN_VAIN)
    folder = AllocationFolder(directory / str(number))
    await until(folder.worker)
    async with await anyio.open_process(["cat"], stdout=subprocess.DEVNULL) as other:
        (folder.path / "worker.json").write_text(json.dumps({"pid": other.pid, "started": 1}))
        with pytest.raises(SchedulerError, match="does not say which process"):
            await local.cancel(number)
        assert other.stdin is not None
        await other.stdin.aclose()
        assert await other.wait() == 0


async def test_a_directory_that_cannot_be_used_is_a_schedulers_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    local = LocalScheduler(tmp_path / "file" / "allocations")
    with pytest.raises(SchedulerError, match="Could not start"):
        await local.submit(a_spec("t"), IN_VAIN)


async def a_workflow(client: TorcClient, command: str, number_of_jobs: int) -> int:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="me"))
    fits = NewRequirements(name="fits", memory=GIB, runtime=600)
    requirements_id = await client.create_requirements(workflow_id, fits)
    jobs = [
        NewJob(name=f"j{n}", command=command, requirements_id=requirements_id)
        for n in range(number_of_jobs)
    ]
    await client.create_jobs(workflow_id, jobs)
    await client.initialize_jobs(workflow_id)
    return workflow_id


@dataclass
class Site:
    """A workflow on an embedded server, and the allocation that runs it."""

    client: TorcClient
    workflow_id: int
    local: LocalScheduler
    number: int
    output_dir: Path


@asynccontextmanager
async def a_site(
    directory: Path, command: str, number_of_jobs: int, torc_program: Path | None = None
) -> AsyncIterator[Site]:
    root = directory.parent.parent
    output_dir = root / "out"
    async with a_server(root) as url, Transport(Connection(url=url)) as transport:
        local = LocalScheduler(directory, poll_interval=0.1, torc_program=torc_program)
        client = await TorcClient.connect(transport)
        workflow_id = await a_workflow(client, command, number_of_jobs)
        work = for_workflow(Connection(url=url), workflow_id, output_dir)
        number = await local.submit(a_spec("t"), work)
        await client.create_allocation(
            workflow_id, scheduler_id=number, scheduler_config_id=1, scheduler_type="local"
        )
        yield Site(client, workflow_id, local, number, output_dir)


@contextmanager
def lock_is_free(folder: AllocationFolder) -> Iterator[None]:
    with folder.lock.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@pytest.fixture
def carelessness() -> Iterator[None]:
    """A process that ignores SIGCHLD, and lets all users write its files."""
    children, umask = signal.signal(signal.SIGCHLD, signal.SIG_IGN), os.umask(0)
    yield
    os.umask(umask)
    signal.signal(signal.SIGCHLD, children)


@pytest.mark.usefixtures("carelessness")
async def test_an_allocation_runs_a_workflow_to_its_end(directory: Path) -> None:
    async with a_site(directory, "ls /proc/self/fd | wc -l", 4) as site:
        await until_not_alive(site.local, site.number)
        assert await state(site.local, site.number) is AllocationState.GONE
        counts = await site.client.count_jobs(site.workflow_id)
        assert counts.by_status[JobStatus.COMPLETED] == 4
        [allocation] = await site.client.list_allocations(site.workflow_id)
        assert allocation.status == "complete"
    folder = AllocationFolder(directory / str(site.number))
    assert json.loads((folder.path / "end.json").read_text()) == {"exit_code": 0}
    private = [directory.parent, directory, folder.path]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o700] * 3
    # Standard input, output and error, and the listed directory: no lock of ours among them.
    said = {path.read_text() for path in (site.output_dir / "job_stdio").glob("*.o")}
    assert said == {"4\n"}


async def test_a_killed_worker_is_gone_and_canceling_it_ends_its_jobs(directory: Path) -> None:
    async with a_site(directory, "setsid sleep 600 & sleep 600; true", 2) as site:
        folder = AllocationFolder(directory / str(site.number))
        await until(lambda: len(processes_with_environment(folder.marker.encode())) == 7)
        worker = folder.worker()
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        await until_not_alive(site.local, site.number)
        assert await state(site.local, site.number) is AllocationState.GONE
        assert len(processes_with_environment(folder.marker.encode())) == 6, (
            "looking changes nothing"
        )
        await site.local.cancel(site.number)
        assert processes_with_environment(folder.marker.encode()) == []
        with lock_is_free(folder):
            assert json.loads((folder.path / "end.json").read_text()) == {"exit_code": None}
        # What the server holds to be running is for the next recovery to find.
        counts = await site.client.count_jobs(site.workflow_id)
        assert counts.by_status[JobStatus.RUNNING] == 2


@pytest.fixture
def torc(tmp_path: Path) -> Path:
    """In the place of Torc's program: it leaves a job behind when its gate is opened."""
    os.mkfifo(tmp_path / "gate")
    program = tmp_path / "torc"
    program.write_text(
        f"#!/bin/bash\nsetsid sleep 600 &\nread status <{tmp_path}/gate\nexit $status\n"
    )
    program.chmod(0o755)
    return program


async def until_active(site: Site) -> None:
    with anyio.fail_after(50):
        while await status_of(site) != "active":  # noqa: ASYNC110 - another process says so
            await anyio.sleep(0.02)


async def status_of(site: Site) -> str:
    (allocation,) = await site.client.list_allocations(site.workflow_id)
    return allocation.status


@pytest.mark.parametrize(("exit_code", "status"), [(0, "complete"), (3, "active")])
async def test_an_allocation_run_by_torc_is_active_until_torc_ends_in_order(
    directory: Path, torc: Path, exit_code: int, status: str
) -> None:
    async with a_site(directory, "true", 1, torc) as site:
        await until_active(site)
        (torc.parent / "gate").write_text(f"{exit_code}\n")
        await until_not_alive(site.local, site.number)
        assert await status_of(site) == status
    folder = AllocationFolder(directory / str(site.number))
    assert json.loads((folder.path / "end.json").read_text()) == {"exit_code": exit_code}
    assert processes_with_environment(folder.marker.encode()) == []


async def test_canceling_an_allocation_ends_torc(directory: Path, torc: Path) -> None:
    async with a_site(directory, "true", 1, torc) as site:
        await until_active(site)
        folder = AllocationFolder(directory / str(site.number))
        await until(lambda: len(processes_with_environment(folder.marker.encode())) == 3)
        await site.local.cancel(site.number)
        await until_not_alive(site.local, site.number)
        assert processes_with_environment(folder.marker.encode()) == []
    ended = json.loads((folder.path / "end.json").read_text())
    assert ended == {"exit_code": 128 + signal.SIGTERM}


async def test_torc_outlives_a_killed_allocation_until_that_is_canceled(
    directory: Path, torc: Path
) -> None:
    async with a_site(directory, "true", 1, torc) as site:
        folder = AllocationFolder(directory / str(site.number))
        await until(lambda: len(processes_with_environment(folder.marker.encode())) == 3)
        worker = folder.worker()
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        await until_not_alive(site.local, site.number)
        assert await state(site.local, site.number) is AllocationState.GONE
        assert len(processes_with_environment(folder.marker.encode())) == 2, "Torc and its job"
        await site.local.cancel(site.number)
        assert processes_with_environment(folder.marker.encode()) == []
