"""A worker against the embedded server in the same process; its jobs are real processes."""

import json
import os
import subprocess
import sys
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
from torc_watch.host.processes import carriers_of
from torc_watch.sandbox.runner import running_jobs
from torc_watch.sandbox.runner.job import JobEnd, Launch
from torc_watch.sandbox.runner.outage import FAREWELL, OUTAGE
from torc_watch.sandbox.runner.process_trees import ProcessTrees
from torc_watch.sandbox.runner.worker import GAVE_UP, NOBODYS, serve
from torc_watch.sandbox.server.app import open_server
from torc_watch.sandbox.server.settings import DialectName, ServerSettings
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewFile, NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.runner_api import WorkerResources, RunnerApi
from torc_watch.torc.transport import Connection, Transport

pytestmark = pytest.mark.slow

CONNECTION = Connection(url="http://127.0.0.1:1", timeout=5)
FOREVER = "sleep 600"


class Link(httpx.AsyncBaseTransport):
    """The way to the server: may be cut, lose the answer to one request, or know of none."""

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
            return httpx.Response(404, json={"error": "forgotten"}, request=request)
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
    """A workflow on an embedded server, and the worker's own way to it."""

    client: TorcClient
    link: Link
    directory: Path
    workflow_id: int
    stop: anyio.Event = field(default_factory=anyio.Event)

    async def requirements(
        self, *, cpus: int = 1, memory: int = 256 * MIB, runtime: int = 60
    ) -> int:
        draft = NewRequirements(
            name=uuid.uuid4().hex, num_cpus=cpus, memory=memory, runtime=runtime
        )
        return await self.client.create_requirements(self.workflow_id, draft)

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
async def a_site(
    directory: Path, dialect: DialectName, *, unblock_interval: float = 0.05
) -> AsyncIterator[Site]:
    settings = ServerSettings(
        directory=directory / "server", dialect=dialect, unblock_interval=unblock_interval
    )
    async with open_server(settings) as app:
        inner = httpx.ASGITransport(app)
        async with Transport(CONNECTION, http=inner) as transport:
            client = await TorcClient.connect(transport)
            workflow_id = await client.create_workflow(NewWorkflow(name="w", user="me"))
            yield Site(client, Link(inner), directory, workflow_id)


@pytest.fixture(params=["0.12", "0.35"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path, request.param) as site:
        yield site


@pytest.fixture
async def site35(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path, "0.35") as site:
        yield site


@pytest.fixture
def own_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    token = uuid.uuid4().hex
    monkeypatch.setenv("TORC_WATCH_TEST", token)
    return lambda: [process.pid for process in carriers_of(f"TORC_WATCH_TEST={token}".encode())]


async def until(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(50):
        while not happened():  # noqa: ASYNC110 - other processes set no events
            await anyio.sleep(0.01)


async def test_a_workflow_is_run_to_its_end_and_every_end_is_told(site: Site) -> None:
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
    """The same site with another workflow."""
    draft = NewWorkflow(name="w", user="me", settings=settings)
    return replace(site, workflow_id=await site.client.create_workflow(draft))


async def test_a_workflow_chooses_the_codes_of_what_is_killed(site35: Site) -> None:
    codes = {"oom_exit_code": 77, "timeout_exit_code": 78}
    site = await with_workflow(site35, execution_config=codes)
    hungry = await site.requirements(memory=48 * MIB)
    slow = await site.requirements(runtime=1)
    [oom, late] = await site.submit(
        NewJob(name="oom", command=HOG.format(20), requirements_id=hungry),
        NewJob(name="late", command="sleep 600", requirements_id=slow),
    )
    assert await site.work() == 0
    results = await site.results()
    assert {job: result.return_code for job, result in results.items()} == {oom: 77, late: 78}


async def test_memory_is_only_measured_where_the_workflow_wants_no_limit(site35: Site) -> None:
    site = await with_workflow(site35, execution_config={"limit_resources": False})
    hungry = await site.requirements(memory=48 * MIB)
    await site.submit(NewJob(name="large", command=HOG.format(0.5), requirements_id=hungry))
    assert await site.work() == 0
    [result] = (await site.results()).values()
    assert result.status is JobStatus.COMPLETED
    assert (result.peak_memory or 0) > 48 * MIB


async def test_failures_wait_for_a_person_where_the_workflow_wants_it(site: Site) -> None:
    site = await with_workflow(site, use_pending_failed=True)
    fits, slow = await site.requirements(), await site.requirements(runtime=1)
    await site.submit(
        NewJob(name="good", command="true", requirements_id=fits),
        NewJob(name="bad", command="exit 5", requirements_id=fits),
        NewJob(name="late", command="sleep 600", requirements_id=slow),
    )
    assert await site.work(wait_for_new_jobs=0.1) == 0
    waits = JobStatus.PENDING_FAILED
    assert await site.statuses() == [JobStatus.COMPLETED, waits, waits]
    results = (await site.results()).values()
    assert sorted((result.return_code, result.status) for result in results) == [
        (0, JobStatus.COMPLETED),
        (5, waits),
        (152, waits),
    ]


async def test_an_allocation_is_awaited_then_active_then_complete(site: Site) -> None:
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
async def test_a_server_that_is_gone_for_good_is_given_up_once(tmp_path: Path) -> None:
    """Not once more for each of the things that the worker would still have to say."""
    async with a_site(tmp_path, "0.35", unblock_interval=3600) as site:
        too_large = await site.requirements(cpus=64)
        await site.submit(NewJob(name="j", command="true", requirements_id=too_large))
        site.link.then["claim_jobs"] = site.link.cut
        began = anyio.current_time()
        assert await site.work_for_ever(poll_interval=1) == GAVE_UP
        assert OUTAGE <= anyio.current_time() - began < OUTAGE + 5 * FAREWELL


async def test_an_allocation_that_nobody_records_does_nothing(site35: Site) -> None:
    await site35.submit(NewJob(name="j", command="true"))
    assert await site35.work(scheduler_id=17, wait_for_allocation=0.2) == NOBODYS
    assert await site35.statuses() == [JobStatus.READY]
    assert await site35.client.list_compute_nodes(site35.workflow_id) == []


async def test_a_job_that_ends_makes_room_at_once(site35: Site) -> None:
    """Short ones one after the other beside a long one, and nobody asks whether all is over."""
    fits = await site35.requirements(cpus=1)
    done = site35.directory / "done"
    done.mkdir()
    long = f"while [ $(ls {done} | wc -l) -lt 8 ]; do sleep .01; done"
    await site35.submit(
        NewJob(name="long", command=long, requirements_id=fits),
        *(
            NewJob(name=f"j{n}", command=f"touch {done}/{n}", requirements_id=fits)
            for n in range(8)
        ),
    )
    assert await site35.work(poll_interval=600.0, num_cpus=2) == 0
    assert site35.link.count("is_complete") < 5


class PatientJob:
    """Stands in for a process where only the passing of time matters: five minutes of it."""

    shell = 1

    def __init__(self, launch: Launch, _trees: ProcessTrees) -> None:
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
async def test_a_worker_waits_for_what_may_follow_the_last_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that job took: the server needs a while to see what has become ready."""
    monkeypatch.setattr(running_jobs, "RunningJob", PatientJob)
    monkeypatch.setattr(running_jobs, "SAMPLE_INTERVAL", 60)
    async with a_site(tmp_path, "0.35", unblock_interval=30) as site:
        [first] = await site.client.create_jobs(
            site.workflow_id, [NewJob(name="first", command="")]
        )
        await site.submit(NewJob(name="then", command="", depends_on_job_ids=(first,)))
        assert await site.work_for_ever(poll_interval=10) == 0
        assert await site.statuses() == [JobStatus.COMPLETED, JobStatus.COMPLETED]


async def test_jobs_run_side_by_side_only_as_far_as_they_fit(site35: Site) -> None:
    """Three fit: no job goes on before three have come, and none ever sees a fourth."""
    fits = await site35.requirements(memory=1 * GIB)
    come, crowd = site35.directory / "come", site35.directory / "crowd"
    come.mkdir()
    crowd.mkdir()
    command = (
        f"touch {come}/$TORC_JOB_ID {crowd}/$TORC_JOB_ID; "
        f"while [ $(ls {come} | wc -l) -lt 3 ]; do sleep .01; done; "
        f"ls {crowd} | wc -l; sleep .1; ls {crowd} | wc -l; rm {crowd}/$TORC_JOB_ID"
    )
    crowding = [NewJob(name=f"j{n}", command=command, requirements_id=fits) for n in range(9)]
    await site35.submit(*crowding)
    assert await site35.work(num_cpus=8, memory=3 * GIB) == 0
    stdout = (site35.directory / "job_stdio").glob("*.o")
    assert {int(count) for path in stdout for count in path.read_text().split()} <= {1, 2, 3}


async def test_told_to_stop_it_ends_its_jobs_and_itself(
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


async def test_told_to_stop_while_it_claims_it_gives_the_jobs_back(site: Site) -> None:
    await site.submit(*(NewJob(name=f"j{n}", command="true") for n in range(2)))
    site.link.then["claim_jobs"] = site.stop.set
    assert await site.work() == 0
    assert await site.statuses() == [JobStatus.READY, JobStatus.READY]
    assert not (site.directory / "job_stdio").exists()


async def test_a_canceled_workflow_ends_its_jobs(
    site: Site, own_processes: Callable[[], list[int]]
) -> None:
    await site.submit(NewJob(name="j", command=FOREVER, requirements_id=await site.requirements()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.work)
        await until(lambda: len(own_processes()) == 1)
        await site.client.cancel_workflow(site.workflow_id)
    assert own_processes() == []
    assert await site.statuses() == [JobStatus.CANCELED]


async def test_a_deleted_workflow_ends_its_jobs(
    site35: Site, own_processes: Callable[[], list[int]]
) -> None:
    await site35.submit(
        NewJob(name="j", command=FOREVER, requirements_id=await site35.requirements())
    )

    async def delete() -> None:
        await until(lambda: len(own_processes()) == 1)
        await site35.client.delete_workflow(site35.workflow_id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delete)
        assert await site35.work() == GAVE_UP
    assert own_processes() == []


async def test_a_new_run_is_not_this_workers(site: Site) -> None:
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


async def test_a_worker_without_anything_to_do_leaves(site35: Site) -> None:
    too_large = await site35.requirements(cpus=64)
    await site35.submit(NewJob(name="j", command="true", requirements_id=too_large))
    assert await site35.work(wait_for_new_jobs=0.3) == 0
    assert await site35.statuses() == [JobStatus.READY]


@pytest.mark.parametrize(
    ("command", "status", "return_code"),
    [("touch made", JobStatus.COMPLETED, 0), ("touch other", JobStatus.FAILED, 1)],
)
async def test_success_needs_the_declared_output_files(
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


async def test_an_output_file_that_the_server_has_forgotten_fails_its_job(site35: Site) -> None:
    file = NewFile(name="made", path="made").body(site35.workflow_id)
    file_id = (await site35.client.transport.post("/files", body=file))["id"]
    [job] = await site35.submit(NewJob(name="j", command="true", output_file_ids=(file_id,)))
    site35.link.answer_not_found_to = f"/files/{file_id}"
    assert await site35.work() == 0
    result = (await site35.results())[job]
    assert (result.status, result.return_code) == (JobStatus.FAILED, 1)


async def test_a_job_whose_author_asked_for_nothing_is_not_held_to_torcs_default(
    site: Site,
) -> None:
    [job] = await site.submit(NewJob(name="j", command="sleep 0.3"))
    assert await site.work() == 0
    assert (await site.results())[job].return_code == 0


async def test_an_invocation_script_gets_the_command(site35: Site) -> None:
    fits = await site35.requirements()
    await site35.submit(
        NewJob(name="j", command="a b", invocation_script="echo got", requirements_id=fits)
    )
    assert await site35.work() == 0
    [stdout] = (site35.directory / "job_stdio").glob("*.o")
    assert stdout.read_text() == "got a b\n"


async def test_jobs_go_on_while_the_server_is_away_and_are_reported_once(site35: Site) -> None:
    done = site35.directory / "done"
    fits = await site35.requirements()
    [job] = await site35.submit(
        NewJob(name="j", command=f"sleep 0.5; echo x >> {done}", requirements_id=fits)
    )

    async def cut_until_the_job_has_ended() -> None:
        await until(lambda: site35.link.count("start_job") == 1)
        site35.link.is_cut = True
        await until(done.exists)
        site35.link.is_cut = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut_until_the_job_has_ended)
        assert await site35.work() == 0
    assert (await site35.results())[job].status is JobStatus.COMPLETED
    assert done.read_text() == "x\n"


@pytest.mark.parametrize("call", ["start_job", "complete_job"])
async def test_a_lost_answer_leads_to_neither_a_second_run_nor_a_second_result(
    site: Site, call: str
) -> None:
    done = site.directory / "done"
    fits = await site.requirements()
    [job] = await site.submit(NewJob(name="j", command=f"echo x >> {done}", requirements_id=fits))
    site.link.lose_answer_to = call
    assert await site.work() == 0
    assert (await site.results())[job].status is JobStatus.COMPLETED
    assert done.read_text() == "x\n"


async def test_a_job_that_somebody_else_runs_is_left_to_them(site35: Site) -> None:
    """Between our claim and our start, the job was given to another node."""
    fits = await site35.requirements()
    [job] = await site35.submit(
        NewJob(name="j", command=f"touch {site35.directory}/ran", requirements_id=fits)
    )
    run_id = (await site35.client.get_workflow(site35.workflow_id)).run_id
    api = RunnerApi(site35.client.transport)
    node_id = await api.register_node(
        site35.workflow_id,
        hostname="elsewhere",
        pid=1,
        started_at=datetime.now(UTC),
        resources=WorkerResources(num_cpus=1, memory=GIB),
        allocation=None,
    )

    async def start_elsewhere(request: httpx.Request) -> httpx.Response:
        if "start_job" in request.url.path:
            await api.start_job(job, run_id=run_id, node_id=node_id)
            site35.link._inner = inner
        return await inner.handle_async_request(request)

    inner = site35.link._inner
    site35.link._inner = httpx.MockTransport(start_elsewhere)

    async def complete_elsewhere() -> None:
        await until(lambda: site35.link.count("start_job") == 1)
        result = NewResult(
            workflow_id=site35.workflow_id,
            run_id=run_id,
            attempt=1,
            compute_node_id=node_id,
            status=JobStatus.COMPLETED,
            return_code=0,
            exec_seconds=1,
            completed_at=datetime.now(UTC),
        )
        await until(lambda: any(e["event"] == "job_not_started" for e in site35.log()))
        await site35.client.complete_job(job, result)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(complete_elsewhere)
        assert await site35.work() == 0
    assert not (site35.directory / "ran").exists()


async def test_a_full_or_forbidden_output_directory_stops_no_worker(site35: Site) -> None:
    [job] = await site35.submit(NewJob(name="j", command="true"))
    assert await site35.work(output_dir=Path("/proc/nowhere")) == 0
    result = (await site35.results())[job]
    assert (result.status, result.return_code) == (JobStatus.FAILED, 126)


@pytest.mark.parametrize("elsewhere", ["/dev/full", "stderr"])
def test_a_full_disk_costs_the_log_its_lines_and_not_the_worker_its_life(
    tmp_path: Path, elsewhere: str
) -> None:
    log = (
        "import os\nfrom torc_watch.sandbox.runner.runner_log import log_to\n"
        "log_to(os.open('/dev/full', os.O_WRONLY)).info('something')"
    )
    stderr = tmp_path / elsewhere
    with stderr.open("w") as file:
        subprocess.run([sys.executable, "-P", "-c", log], stderr=file, check=True)
    assert stderr.is_char_device() or "something" in stderr.read_text()
