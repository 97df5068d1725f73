"""A worker with real jobs and the embedded server in the same process."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx
import pytest

from torc_watch.core.model import JobResult, JobStatus
from torc_watch.core.units import GIB, MIB
from torc_watch.host.processes import processes_with_environment
from torc_watch.sandbox.runner import running_jobs
from torc_watch.sandbox.runner.job import JobEnd, JobLaunch
from torc_watch.sandbox.runner.outage import OUTAGE, SHUTDOWN_GRACE
from torc_watch.sandbox.runner.process_trees import ProcessTrees
from torc_watch.sandbox.runner.worker import EXIT_ALLOCATION_UNKNOWN, EXIT_SERVER_FAILED, serve
from torc_watch.sandbox.server.app import open_server
from torc_watch.sandbox.server.server_settings import ServerSettings, TorcApi
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewFile, NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.runner_api import RunnerApi, WorkerResources
from torc_watch.torc.transport import Connection, Transport

pytestmark = pytest.mark.slow

CONNECTION = Connection(url="http://127.0.0.1:1", timeout=5)
FOREVER = "sleep 600"


class Link(httpx.AsyncBaseTransport):
    """A connection that can be cut, lose an answer, or answer 404."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.is_cut = False
        self.lose_answer_to = ""
        self.answer_not_found_to = ""
        self.then: dict[str, Callable[[], None]] = {}
        self.sent: list[str] = []
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("cut")
        self.sent.append(f"{request.method} {request.url.path}")
        if self.answer_not_found_to and self.answer_not_found_to in request.url.path:
            return httpx.Response(404, json={"error": "not found"}, request=request)
        response = await self._inner.handle_async_request(request)
        if self.lose_answer_to and self.lose_answer_to in request.url.path:
            self.lose_answer_to = ""
            raise httpx.ReadError("lost")
        for part, happens in self.then.items():
            if part in request.url.path:
                happens()
        return response

    def cut(self) -> None:
        self.is_cut = True

    def count(self, part: str) -> int:
        return sum(part in request for request in self.sent)


@dataclass
class Site:
    """A workflow on an embedded server, and the worker's connection to it."""

    client: TorcClient
    link: Link
    directory: Path
    workflow_id: int
    stop: anyio.Event = field(default_factory=anyio.Event)

    async def requirements(
        self, *, cpus: int = 1, memory: int = 256 * MIB, runtime: int = 60
    ) -> int:
        new = NewRequirements(name=uuid.uuid4().hex, num_cpus=cpus, memory=memory, runtime=runtime)
        return await self.client.create_requirements(self.workflow_id, new)

    async def submit(self, *jobs: NewJob) -> list[int]:
        ids = await self.client.create_jobs(self.workflow_id, jobs)
        await self.client.initialize_jobs(self.workflow_id)
        return ids

    async def work(self, **changes: object) -> int:
        with anyio.fail_after(50):
            return await self.work_for_ever(**changes)

    async def work_for_ever(self, **changes: object) -> int:
        settings = WorkerSettings(
            **{
                "connection": CONNECTION,
                "workflow_id": self.workflow_id,
                "output_dir": self.directory,
                "num_cpus": 2,
                "memory": 4 * GIB,
                "poll_interval": 0.05,
            }
            | changes  # type: ignore[arg-type]
        )
        async with Transport(CONNECTION, http=self.link) as transport:
            return await serve(settings, transport, self.stop)

    async def results(self) -> dict[int, JobResult]:
        return {
            result.job_id: result for result in await self.client.list_results(self.workflow_id)
        }

    async def statuses(self) -> list[JobStatus]:
        return [job.status for job in await self.client.list_jobs(self.workflow_id)]

    def log(self) -> list[dict[str, object]]:
        [path] = self.directory.glob("job_runner_*_wf*_r*.log")
        return [json.loads(line) for line in path.read_text().splitlines()]


@asynccontextmanager
async def open_site(
    directory: Path, api_version: TorcApi, *, unblock_interval: float = 0.05
) -> AsyncIterator[Site]:
    settings = ServerSettings(
        directory=directory / "server", api_version=api_version, unblock_interval=unblock_interval
    )
    async with open_server(settings) as app:
        inner = httpx.ASGITransport(app)
        async with Transport(CONNECTION, http=inner) as transport:
            client = await TorcClient.connect(transport)
            workflow_id = await client.create_workflow(NewWorkflow(name="w", user="me"))
            yield Site(client, Link(inner), directory, workflow_id)


@pytest.fixture(params=["0.12", "1.0"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, request.param) as site:
        yield site


@pytest.fixture
async def site_1_0(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, "1.0") as site:
        yield site


@pytest.fixture
def own_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    token = uuid.uuid4().hex
    monkeypatch.setenv("TORC_WATCH_TEST", token)
    return lambda: [
        process.pid for process in processes_with_environment(f"TORC_WATCH_TEST={token}".encode())
    ]


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(50):
        while not condition():  # noqa: ASYNC110 - other processes set no events
            await anyio.sleep(0.01)


async def test_workflow_runs_to_completion_and_all_results_are_reported(site: Site) -> None:
    fits = await site.requirements()
    hungry = await site.requirements(memory=48 * MIB)
    slow = await site.requirements(runtime=1)
    hog = "python3 -S -c \"import time; kept = bytearray(b'x') * 90_000_000; time.sleep(20)\""
    [good, bad] = await site.client.create_jobs(
        site.workflow_id,
        [
            NewJob(name="good", command="echo hello", requirements_id=fits),
            NewJob(name="bad", command="exit 5", requirements_id=fits),
        ],
    )
    [after_good, after_bad, oom, late] = await site.submit(
        NewJob(name="after good", command="true", requirements_id=fits, depends_on_job_ids=(good,)),
        NewJob(name="after bad", command="true", requirements_id=fits, depends_on_job_ids=(bad,)),
        NewJob(name="oom", command=hog, requirements_id=hungry),
        NewJob(name="late", command="sleep 600", requirements_id=slow),
    )
    assert await site.work() == 0
    assert await site.client.is_complete(site.workflow_id)
    results = await site.results()
    assert {job: (result.status, result.return_code) for job, result in results.items()} == {
        good: (JobStatus.COMPLETED, 0),
        bad: (JobStatus.FAILED, 5),
        after_good: (JobStatus.COMPLETED, 0),
        oom: (JobStatus.FAILED, 137),
        late: (JobStatus.TERMINATED, 152),
    }
    assert (await site.client.get_job(after_bad)).status is JobStatus.CANCELED
    assert (results[oom].peak_memory or 0) > 48 * MIB
    assert results[late].exec_seconds >= 1
    [node] = await site.client.list_compute_nodes(site.workflow_id)
    assert (node.pid, node.has_ended, node.allocation_id) == (os.getpid(), True, None)
    assert {result.compute_node_id for result in results.values()} == {node.id}
    reasons = {entry.get("job_id"): entry.get("reason") for entry in site.log()}
    assert "more memory than requested" in str(reasons[oom])
    assert "longer than requested" in str(reasons[late])


HOG = "python3 -S -c \"import time; kept = bytearray(b'x') * 90_000_000; time.sleep({})\""


async def with_workflow(site: Site, **settings: object) -> Site:
    """The same server with another workflow."""
    new = NewWorkflow(name="w", user="me", settings=settings)
    return replace(site, workflow_id=await site.client.create_workflow(new))


async def test_workflow_sets_the_return_codes_of_killed_jobs(site_1_0: Site) -> None:
    codes = {"oom_exit_code": 77, "timeout_exit_code": 78}
    site = await with_workflow(site_1_0, execution_config=codes)
    hungry = await site.requirements(memory=48 * MIB)
    slow = await site.requirements(runtime=1)
    [oom, late] = await site.submit(
        NewJob(name="oom", command=HOG.format(20), requirements_id=hungry),
        NewJob(name="late", command="sleep 600", requirements_id=slow),
    )
    assert await site.work() == 0
    results = await site.results()
    assert {job: result.return_code for job, result in results.items()} == {oom: 77, late: 78}


async def test_memory_is_only_measured_without_limit_resources(site_1_0: Site) -> None:
    site = await with_workflow(site_1_0, execution_config={"limit_resources": False})
    hungry = await site.requirements(memory=48 * MIB)
    await site.submit(NewJob(name="large", command=HOG.format(0.5), requirements_id=hungry))
    assert await site.work() == 0
    [result] = (await site.results()).values()
    assert result.status is JobStatus.COMPLETED
    assert (result.peak_memory or 0) > 48 * MIB


async def test_failures_become_pending_failed_if_the_workflow_says_so(site: Site) -> None:
    site = await with_workflow(site, use_pending_failed=True)
    fits, slow = await site.requirements(), await site.requirements(runtime=1)
    await site.submit(
        NewJob(name="good", command="true", requirements_id=fits),
        NewJob(name="bad", command="exit 5", requirements_id=fits),
        NewJob(name="late", command="sleep 600", requirements_id=slow),
    )
    assert await site.work(wait_for_new_jobs=0.1) == 0
    pending_failed = JobStatus.PENDING_FAILED
    assert await site.statuses() == [JobStatus.COMPLETED, pending_failed, pending_failed]
    results = (await site.results()).values()
    assert sorted((result.return_code, result.status) for result in results) == [
        (0, JobStatus.COMPLETED),
        (5, pending_failed),
        (152, pending_failed),
    ]


async def test_worker_waits_for_its_allocation_and_updates_its_status(site: Site) -> None:
    await site.submit(NewJob(name="j", command="true", requirements_id=await site.requirements()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: site.work(scheduler_id=17))
        await until(lambda: site.link.count("GET /torc-service/v1/scheduled_compute_nodes") >= 3)
        assert await site.client.list_compute_nodes(site.workflow_id) == []
        allocation_id = await site.client.create_allocation(
            site.workflow_id, scheduler_id=17, scheduler_config_id=1, scheduler_type="local"
        )
    [allocation] = await site.client.list_allocations(site.workflow_id)
    assert (allocation.id, allocation.status) == (allocation_id, "complete")
    [node] = await site.client.list_compute_nodes(site.workflow_id)
    assert node.allocation_id == allocation_id
    puts = [request for request in site.link.sent if "PUT" in request and "scheduled" in request]
    assert len(puts) == 2


@pytest.mark.looptime
async def test_worker_gives_up_an_unreachable_server_only_once(tmp_path: Path) -> None:
    """The remaining reports do not each wait for the server again."""
    async with open_site(tmp_path, "1.0", unblock_interval=3600) as site:
        too_large = await site.requirements(cpus=64)
        await site.submit(NewJob(name="j", command="true", requirements_id=too_large))
        site.link.then["claim_jobs"] = site.link.cut
        began = anyio.current_time()
        assert await site.work_for_ever(poll_interval=1) == EXIT_SERVER_FAILED
        assert OUTAGE <= anyio.current_time() - began < OUTAGE + 5 * SHUTDOWN_GRACE


async def test_worker_without_a_recorded_allocation_does_nothing(site_1_0: Site) -> None:
    await site_1_0.submit(NewJob(name="j", command="true"))
    assert await site_1_0.work(scheduler_id=17, wait_for_allocation=0.2) == EXIT_ALLOCATION_UNKNOWN
    assert await site_1_0.statuses() == [JobStatus.READY]
    assert await site_1_0.client.list_compute_nodes(site_1_0.workflow_id) == []


async def test_ended_job_frees_its_resources_at_once(site_1_0: Site) -> None:
    """Short jobs run in sequence beside a long one, without a poll after each."""
    fits = await site_1_0.requirements(cpus=1)
    done = site_1_0.directory / "done"
    done.mkdir()
    long = f"while [ $(ls {done} | wc -l) -lt 8 ]; do sleep .01; done"
    await site_1_0.submit(
        NewJob(name="long", command=long, requirements_id=fits),
        *(
            NewJob(name=f"j{n}", command=f"touch {done}/{n}", requirements_id=fits)
            for n in range(8)
        ),
    )
    assert await site_1_0.work(poll_interval=600.0, num_cpus=2) == 0
    assert site_1_0.link.count("is_complete") < 5


class FiveMinuteJob:
    """Replaces a process by five minutes of virtual time."""

    shell = 1

    def __init__(self, launch: JobLaunch, _trees: ProcessTrees) -> None:
        self._launch = launch

    def sample(self, members: object) -> None:
        pass

    async def wait(self) -> JobEnd:
        await anyio.sleep(300)
        return JobEnd(
            launch=self._launch,
            status=JobStatus.COMPLETED,
            return_code=0,
            exec_seconds=300,
            ended_at=datetime.now(UTC),
        )


@pytest.mark.looptime
async def test_worker_waits_for_jobs_that_may_follow_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even after a long job, since the server takes a while to unblock jobs."""
    monkeypatch.setattr(running_jobs, "RunningJob", FiveMinuteJob)
    monkeypatch.setattr(running_jobs, "SAMPLE_INTERVAL", 60)
    async with open_site(tmp_path, "1.0", unblock_interval=30) as site:
        [first] = await site.client.create_jobs(
            site.workflow_id, [NewJob(name="first", command="")]
        )
        await site.submit(NewJob(name="then", command="", depends_on_job_ids=(first,)))
        assert await site.work_for_ever(poll_interval=10) == 0
        assert await site.statuses() == [JobStatus.COMPLETED, JobStatus.COMPLETED]


async def test_only_as_many_jobs_run_as_fit(site_1_0: Site) -> None:
    """Three fit: no job ends before three have started, and none sees a fourth."""
    fits = await site_1_0.requirements(memory=1 * GIB)
    started, running = site_1_0.directory / "started", site_1_0.directory / "running"
    started.mkdir()
    running.mkdir()
    command = (
        f"touch {started}/$TORC_JOB_ID {running}/$TORC_JOB_ID; "
        f"while [ $(ls {started} | wc -l) -lt 3 ]; do sleep .01; done; "
        f"ls {running} | wc -l; sleep .1; ls {running} | wc -l; rm {running}/$TORC_JOB_ID"
    )
    jobs = [NewJob(name=f"j{n}", command=command, requirements_id=fits) for n in range(9)]
    await site_1_0.submit(*jobs)
    assert await site_1_0.work(num_cpus=8, memory=3 * GIB) == 0
    stdout = (site_1_0.directory / "job_stdio").glob("*.o")
    assert {int(count) for path in stdout for count in path.read_text().split()} <= {1, 2, 3}


async def test_stopped_worker_terminates_its_jobs(
    site: Site, own_processes: Callable[[], list[int]]
) -> None:
    fits = await site.requirements()
    [job, waiting] = await site.submit(
        NewJob(name="j", command=f"{FOREVER} & {FOREVER}", requirements_id=fits),
        NewJob(name="k", command="true", requirements_id=fits),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: site.work(num_cpus=1, poll_interval=600.0))
        await until(lambda: len(own_processes()) >= 2)
        site.stop.set()
    [result] = (await site.results()).values()
    assert (result.job_id, result.status, result.return_code) == (job, JobStatus.TERMINATED, 143)
    assert (await site.client.get_job(waiting)).status is JobStatus.READY
    assert own_processes() == []
    [node] = await site.client.list_compute_nodes(site.workflow_id)
    assert node.has_ended


async def test_worker_stopped_while_claiming_returns_the_jobs(site: Site) -> None:
    await site.submit(*(NewJob(name=f"j{n}", command="true") for n in range(2)))
    site.link.then["claim_jobs"] = site.stop.set
    assert await site.work() == 0
    assert await site.statuses() == [JobStatus.READY, JobStatus.READY]
    assert not (site.directory / "job_stdio").exists()


async def test_canceled_workflow_terminates_its_jobs(
    site: Site, own_processes: Callable[[], list[int]]
) -> None:
    await site.submit(NewJob(name="j", command=FOREVER, requirements_id=await site.requirements()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.work)
        await until(lambda: len(own_processes()) == 1)
        await site.client.transport.put(f"/workflows/{site.workflow_id}/cancel")
    assert own_processes() == []
    assert await site.statuses() == [JobStatus.CANCELED]


async def test_deleted_workflow_terminates_its_jobs(
    site_1_0: Site, own_processes: Callable[[], list[int]]
) -> None:
    await site_1_0.submit(
        NewJob(name="j", command=FOREVER, requirements_id=await site_1_0.requirements())
    )

    async def delete() -> None:
        await until(lambda: len(own_processes()) == 1)
        await site_1_0.client.delete_workflow(site_1_0.workflow_id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delete)
        assert await site_1_0.work() == EXIT_SERVER_FAILED
    assert own_processes() == []


async def test_worker_leaves_when_a_new_run_starts(site: Site) -> None:
    await site.submit(
        NewJob(name="j", command="true", requirements_id=await site.requirements(cpus=64))
    )
    workflow = await site.client.get_workflow(site.workflow_id)

    async def advance() -> None:
        await until(lambda: site.link.count("claim_jobs") > 1)
        await site.client.advance_run(site.workflow_id, to_run=workflow.run_id + 1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(advance)
        assert await site.work() == 0
    assert any(entry["event"] == "run_over" for entry in site.log())


async def test_idle_worker_leaves(site_1_0: Site) -> None:
    too_large = await site_1_0.requirements(cpus=64)
    await site_1_0.submit(NewJob(name="j", command="true", requirements_id=too_large))
    assert await site_1_0.work(wait_for_new_jobs=0.3) == 0
    assert await site_1_0.statuses() == [JobStatus.READY]


@pytest.mark.parametrize(
    ("command", "status", "return_code"),
    [("touch made", JobStatus.COMPLETED, 0), ("touch other", JobStatus.FAILED, 1)],
)
async def test_success_requires_the_declared_output_files(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    status: JobStatus,
    return_code: int,
) -> None:
    monkeypatch.chdir(site.directory)
    file = NewFile(name="made", path="made").body(site.workflow_id)
    file_id = (await site.client.transport.post("/files", body=file))["id"]
    fits = await site.requirements()
    [job] = await site.submit(
        NewJob(name="j", command=command, requirements_id=fits, output_file_ids=(file_id,))
    )
    assert await site.work() == 0
    result = (await site.results())[job]
    assert (result.status, result.return_code) == (status, return_code)
    row = await site.client.transport.get(f"/files/{file_id}")
    made = site.directory / "made"
    assert row.get("st_mtime") == (made.stat().st_mtime if made.exists() else None)
    assert (row["name"], row["path"]) == ("made", "made")


async def test_output_file_unknown_to_the_server_fails_its_job(site_1_0: Site) -> None:
    file = NewFile(name="made", path="made").body(site_1_0.workflow_id)
    file_id = (await site_1_0.client.transport.post("/files", body=file))["id"]
    [job] = await site_1_0.submit(NewJob(name="j", command="true", output_file_ids=(file_id,)))
    site_1_0.link.answer_not_found_to = f"/files/{file_id}"
    assert await site_1_0.work() == 0
    result = (await site_1_0.results())[job]
    assert (result.status, result.return_code) == (JobStatus.FAILED, 1)


async def test_default_requirements_are_not_enforced(
    site: Site,
) -> None:
    [job] = await site.submit(NewJob(name="j", command="sleep 0.3"))
    assert await site.work() == 0
    assert (await site.results())[job].return_code == 0


async def test_invocation_script_gets_the_command(site_1_0: Site) -> None:
    fits = await site_1_0.requirements()
    await site_1_0.submit(
        NewJob(name="j", command="a b", invocation_script="echo got", requirements_id=fits)
    )
    assert await site_1_0.work() == 0
    [stdout] = (site_1_0.directory / "job_stdio").glob("*.o")
    assert stdout.read_text() == "got a b\n"


async def test_jobs_run_during_an_outage_and_are_reported_once(site_1_0: Site) -> None:
    done = site_1_0.directory / "done"
    fits = await site_1_0.requirements()
    [job] = await site_1_0.submit(
        NewJob(name="j", command=f"sleep 0.5; echo x >> {done}", requirements_id=fits)
    )

    async def cut_until_the_job_has_ended() -> None:
        await until(lambda: site_1_0.link.count("start_job") == 1)
        site_1_0.link.is_cut = True
        await until(done.exists)
        site_1_0.link.is_cut = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut_until_the_job_has_ended)
        assert await site_1_0.work() == 0
    assert (await site_1_0.results())[job].status is JobStatus.COMPLETED
    assert done.read_text() == "x\n"


@pytest.mark.parametrize("call", ["start_job", "complete_job"])
async def test_lost_answer_causes_no_second_run_and_no_second_result(site: Site, call: str) -> None:
    done = site.directory / "done"
    fits = await site.requirements()
    [job] = await site.submit(NewJob(name="j", command=f"echo x >> {done}", requirements_id=fits))
    site.link.lose_answer_to = call
    assert await site.work() == 0
    assert (await site.results())[job].status is JobStatus.COMPLETED
    assert done.read_text() == "x\n"


async def test_job_of_another_node_is_not_started(site_1_0: Site) -> None:
    """Another node starts the job between our claim and our start."""
    fits = await site_1_0.requirements()
    [job] = await site_1_0.submit(
        NewJob(name="j", command=f"touch {site_1_0.directory}/ran", requirements_id=fits)
    )
    run_id = (await site_1_0.client.get_workflow(site_1_0.workflow_id)).run_id
    api = RunnerApi(site_1_0.client.transport)
    node_id = await api.register_node(
        site_1_0.workflow_id,
        hostname="elsewhere",
        pid=1,
        started_at=datetime.now(UTC),
        resources=WorkerResources(num_cpus=1, memory=GIB),
        allocation=None,
    )

    async def start_elsewhere(request: httpx.Request) -> httpx.Response:
        if "start_job" in request.url.path:
            await api.start_job(job, run_id=run_id, node_id=node_id)
            site_1_0.link._inner = inner
        return await inner.handle_async_request(request)

    inner = site_1_0.link._inner
    site_1_0.link._inner = httpx.MockTransport(start_elsewhere)

    async def complete_elsewhere() -> None:
        await until(lambda: site_1_0.link.count("start_job") == 1)
        result = NewResult(
            workflow_id=site_1_0.workflow_id,
            run_id=run_id,
            attempt=1,
            compute_node_id=node_id,
            status=JobStatus.COMPLETED,
            return_code=0,
            exec_seconds=1,
            completed_at=datetime.now(UTC),
        )
        await until(lambda: any(e["event"] == "job_not_started" for e in site_1_0.log()))
        await site_1_0.client.complete_job(job, result)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(complete_elsewhere)
        assert await site_1_0.work() == 0
    assert not (site_1_0.directory / "ran").exists()


async def test_unusable_output_directory_does_not_stop_the_worker(site_1_0: Site) -> None:
    [job] = await site_1_0.submit(NewJob(name="j", command="true"))
    assert await site_1_0.work(output_dir=Path("/proc/nowhere")) == 0
    result = (await site_1_0.results())[job]
    assert (result.status, result.return_code) == (JobStatus.FAILED, 126)


@pytest.mark.parametrize("elsewhere", ["/dev/full", "stderr"])
def test_full_disk_does_not_stop_the_runner_log(tmp_path: Path, elsewhere: str) -> None:
    log = (
        "import os\nfrom torc_watch.sandbox.runner.runner_log import log_to\n"
        "log_to(os.open('/dev/full', os.O_WRONLY)).info('something')"
    )
    stderr = tmp_path / elsewhere
    with stderr.open("w") as file:
        subprocess.run([sys.executable, "-P", "-c", log], stderr=file, check=True)
    assert stderr.is_char_device() or "something" in stderr.read_text()


async def test_job_that_cannot_end_before_its_allocation_is_left_alone(site: Site) -> None:
    """The worker is stopped two minutes before the end; Torc's servers allow two more of them."""
    long, short = await site.requirements(runtime=900), await site.requirements(runtime=60)
    jobs = [
        NewJob(name="long", command="true", requirements_id=long),
        NewJob(name="short", command="true", requirements_id=short),
    ]
    await site.submit(*jobs)

    assert await site.work(ends_at=time.time() + 600, wait_for_new_jobs=0.5) == 0

    assert await site.statuses() == [JobStatus.READY, JobStatus.COMPLETED]
