"""A site in one event loop: the embedded server, a scheduler with workers, and the engine.

Only the workers' jobs are simulated. No thread, socket or real time is needed. Other folders
override ``serve_site`` to use another server.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import anyio
import anyio.lowlevel
import httpx
import hypothesis
import pytest
from starlette.applications import Starlette

from tests.rigs.browser import installed_browser
from tests.rigs.real_torc import home_of
from tests.rigs.virtual_clock import virtual_now
from torc_watch.core.allocation import (
    AllocationShape,
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    EndCause,
    NodeClass,
    StepEnd,
)
from torc_watch.core.errors import SchedulerError, ServerError
from torc_watch.core.events import Event, WatchEnded
from torc_watch.core.model import Allocation, JobStatus, Requirements
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.units import GIB, MIB
from torc_watch.engine.allocation_submission import submit_allocations
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import EngineContext, WatchRequest
from torc_watch.engine.room_probe import RoomProbe
from torc_watch.engine.supervisor import watch_workflow
from torc_watch.failures.rule_file import own_rules
from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.schedulers.base import EndedAttempts, Scheduler, WorkerAssignment
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.this_machine import ThisMachine
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.runner_api import ClaimedJob, RunnerApi, WorkerResources
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from datetime import datetime

ApiVersionName = Literal["0.12", "1.0"]
Death = Literal["claimed", "running", "half-way", "unreported"]
Ending = tuple[int, int | None, float]  # return code, peak memory in bytes, seconds
Forward = Callable[[httpx.Request], Awaitable[httpx.Response]]
Fault = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]

T = TypeVar("T")

SUCCESS: Ending = (0, None, 10.0)
URL = f"http://test-{os.getpid()}"  # orphaned processes are found by it, on the whole machine

# looptime requests the current event loop in every test. In a test that is not asynchronous, Python
# would create a loop that is never closed. Without a current loop it does not.
asyncio.set_event_loop(None)

# No test fails because one example is slow on a busy machine. Each run has other examples.
hypothesis.settings.register_profile(
    "torc-watch",
    max_examples=50,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("torc-watch")


async def _perform_at_once(work: Callable[[], None]) -> None:
    """In place of a thread, during which virtual time would pass."""
    work()


OUTPUTS = JobOutputs(own_rules, _perform_at_once)  # one for all: its rules are compiled once


def _reset_ignored_signals() -> None:
    """Start every program with the default signal handlers, even if pytest ignores signals.

    A signal that is ignored (nohup, ``pytest &`` in a script) is ignored in child processes too.
    A signal with a handler gets its default action there; the handler here still ignores it.
    """
    ignored_by_python = {signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - ignored_by_python:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


def _remove_proxies() -> None:
    """All servers of the tests are on this machine; a proxy could not reach them."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


_reset_ignored_signals()
_remove_proxies()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slurm",
        metavar="RELEASES",
        help="releases of Slurm for tests/cluster, such as 22.05,24.11; by default the machine's "
        "own and 24.11. scripts/setup-slurm installs them",
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Fast tests run in two processes. Slow tests, which measure processes, do not."""
    return 2 if config.getoption("markexpr") == "not slow" else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the real Torc: all else can run while scripts/setup-torc builds that."""
    for item in items:
        if not {"torc", "torc_program"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.torc)


class SiteServer(Protocol):
    """The server of a site, as clients reach it. Virtual time stops while it answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response: ...

    async def open_stream(self, request: httpx.Request) -> httpx.Response: ...


class InLoop:
    """The embedded server in the same loop."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer: list[Any] = []

        async def send(message: Any) -> None:
            answer.append(message)

        await self._app(_scope(request), _receiving(request), send)
        start, *parts = answer
        content = b"".join(part.get("body", b"") for part in parts)
        return httpx.Response(start["status"], headers=start["headers"], content=content)

    async def open_stream(self, request: httpx.Request) -> httpx.Response:
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        chunks: asyncio.Queue[bytes] = asyncio.Queue()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.set_result(message["status"])
            else:
                chunks.put_nowait(message.get("body", b""))

        task = asyncio.create_task(self._app(_scope(request), _receiving(request), send))
        try:
            return httpx.Response(await status, stream=_EventStream(task, chunks))
        except asyncio.CancelledError:
            task.cancel()
            raise


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": request.method,
        "path": request.url.path,
        "query_string": request.url.query,
        "headers": request.headers.raw,
    }


def _receiving(request: httpx.Request) -> Callable[[], Awaitable[Any]]:
    async def receive() -> Any:
        return {"type": "http.request", "body": request.content, "more_body": False}

    return receive


class _EventStream(httpx.AsyncByteStream):
    def __init__(self, task: asyncio.Task[None], chunks: asyncio.Queue[bytes]) -> None:
        self._task = task
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._chunks.get():
            yield chunk

    async def aclose(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class Line(httpx.AsyncBaseTransport):
    """A connection to the server. ``fault`` answers instead of the server.

    ``sent`` has the loop's time, method and path of each request but those for event streams.
    """

    def __init__(self, server: SiteServer) -> None:
        self._server = server
        self.fault: Fault | None = None
        self.sent: list[tuple[float, str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events/stream"):
            return await self.open_stream(request)
        path = request.url.path.removeprefix("/torc-service/v1")
        self.sent.append((anyio.current_time(), request.method, path))
        if self.fault is not None:
            return await self.fault(request, self._server.handle_async_request)
        return await self._server.handle_async_request(request)

    async def open_stream(self, request: httpx.Request) -> httpx.Response:
        return await self._server.open_stream(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A request for an allocation."""

    spec: AllocationSpec
    work: WorkerAssignment


class SimulatedScheduler:
    """Allocations whose workers are tasks of this loop and speak to the server as real ones do.

    ``endings`` has the ends of a job: of the first time it runs, of the next, in another run or in
    place, and so on; after these it succeeds. ``deaths`` has the
    allocations, by number, that die after they claimed jobs, started all of them, or started half;
    ``state_after_death`` is their state from then on. With "unreported", the worker deregisters,
    but does not report its last job.
    """

    def __init__(
        self, client: TorcClient, scheduler_type: str = "local", *, allocations_before: int = 0
    ) -> None:
        self._client = client
        self.type = scheduler_type
        self._before = allocations_before
        self._workers: list[asyncio.Task[None]] = []
        self._held: dict[int, Submitted] = {}
        self.endings: dict[str, Sequence[Ending]] = {}
        self.deaths: dict[int, Death] = {}
        self.state_after_death = AllocationState.GONE
        self.known_states: dict[int, AllocationState] = {}
        self.numbers: dict[str, int] = {}
        self.requests: list[Submitted] = []
        self.canceled: list[int] = []
        self.ended_attempts: list[tuple[int, EndedAttempts]] = []  # and the number
        self.remnants = 0  # processes that each of these had left
        self.why_unsure = ""  # of what is left of them
        self.failures: dict[int, str] = {}  # details of failed allocations, by number
        self.ends: dict[int, AllocationStatus] = {}  # of those that are gone, by number
        self.ends_of_steps: dict[int, dict[str, StepEnd]] = {}  # by number and name
        self.beginnings: dict[int, datetime] = {}  # of those that are alive, by number
        self.hostnames: dict[int, str] = {}  # of workers, by number, where it is not n1
        self.queued_in_vain: dict[int, str] = {}  # details of those that never start, by number
        self.nodes: tuple[NodeClass, ...] = (NodeClass(num_cpus=10, memory=8 * GIB),)
        self.seconds_to_kill: int | None = None
        self.first_start: datetime | None = None
        self.seconds_to_submit: dict[int, float] = {}  # by workflow ID
        self.idle_limit = 90.0
        self.seconds_to_close = 0.0

    async def cluster_name(self) -> str:
        return "ridge"

    async def kill_wait(self) -> int | None:
        return self.seconds_to_kill

    async def expected_start(self, _spec: AllocationSpec) -> "datetime | None":
        return self.first_start

    async def node_classes(self) -> tuple[NodeClass, ...]:
        return self.nodes

    async def find(self, tokens: Collection[str]) -> dict[str, int]:
        return {token: number for token, number in self.numbers.items() if token in tokens}

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        assert spec.token not in self.numbers, "the caller looks for the token first"
        await anyio.sleep(self.seconds_to_submit.get(work.workflow_id, 0))
        request = Submitted(spec=spec, work=work)
        self.requests.append(request)
        number = self._before + len(self.requests)
        self.numbers[spec.token] = number
        self.known_states[number] = AllocationState.ALIVE
        self._held[number] = request
        return number

    async def release(self, numbers: Sequence[int]) -> None:
        for number in set(numbers) - self.queued_in_vain.keys():
            if request := self._held.pop(number, None):
                self._workers.append(asyncio.create_task(self._work(number, request)))

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        return {number: self._status(number) for number in numbers}

    def _status(self, number: int) -> AllocationStatus:
        state = self.known_states.get(number, AllocationState.GONE)
        if state is AllocationState.GONE and number in self.ends:
            return self.ends[number]
        if state is AllocationState.ALIVE and number in self.queued_in_vain:
            detail = self.queued_in_vain[number]
            return AllocationStatus(state=state, detail=detail, never_starts=True)
        if state is AllocationState.GONE and number in self.failures:
            detail = self.failures[number]
            return AllocationStatus(state=state, cause=EndCause.FAILED, detail=detail)
        began = self.beginnings.get(number) if state is AllocationState.ALIVE else None
        return AllocationStatus(state=state, began=began)

    async def steps(self, numbers: Collection[int]) -> dict[int, dict[str, StepEnd]]:
        return {each: self.ends_of_steps[each] for each in numbers if each in self.ends_of_steps}

    async def cancel(self, number: int) -> None:
        self.canceled.append(number)

    async def end_remnants(self, number: int, attempts: EndedAttempts) -> int:
        self.ended_attempts.append((number, attempts))
        if self.why_unsure:
            raise SchedulerError(self.why_unsure)
        return self.remnants

    async def rest(self) -> None:
        """Waits until every worker has ended or died."""
        await asyncio.gather(*self._workers)

    async def close(self) -> None:
        """Ends the workers. Raises the exception of a worker that failed."""
        for worker in self._workers:
            worker.cancel()
        for worker in self._workers:
            with suppress(asyncio.CancelledError):
                await worker

    async def _work(self, number: int, request: Submitted) -> None:
        worker = _SimulatedWorker(
            client=self._client,
            scheduler_type=self.type,
            number=number,
            request=request,
            hostname=self.hostnames.get(number, "n1"),
            endings=self.endings,
            idle_limit=self.idle_limit,
            seconds_to_close=self.seconds_to_close,
        )
        deregistered = True
        with suppress(ServerError):  # the workflow was deleted
            deregistered = await worker.work(self.deaths.get(number))
        self.known_states[number] = AllocationState.GONE if deregistered else self.state_after_death


@dataclass(slots=True, kw_only=True)
class _SimulatedWorker:
    client: TorcClient
    scheduler_type: str
    number: int
    request: Submitted
    hostname: str
    endings: dict[str, Sequence[Ending]]
    idle_limit: float
    seconds_to_close: float
    run_id: int = 0
    node_id: int = 0

    @property
    def workflow_id(self) -> int:
        return self.request.work.workflow_id

    async def work(self, death: Death | None) -> bool:
        """Returns whether the worker deregistered; False means that it died while it held jobs."""
        allocation = await self._find_allocation()
        await self.client.set_allocation_status(allocation, "active")
        self.run_id = (await self.client.get_workflow(self.workflow_id)).run_id
        self.node_id = await self._register(allocation)
        if not await self._serve(death):
            return False
        await self.client.end_compute_node(self.workflow_id, self.node_id)
        await anyio.sleep(self.seconds_to_close)
        await self.client.set_allocation_status(allocation, "complete")
        return True

    async def _find_allocation(self) -> Allocation:
        """Waits for its record, which is created after the scheduler accepted the allocation."""
        api = RunnerApi(self.client.transport)
        while True:
            found = await api.find_allocation(
                self.workflow_id, scheduler_id=self.number, scheduler_type=self.scheduler_type
            )
            if found is not None:
                return found
            await anyio.sleep(1)

    async def _register(self, allocation: Allocation) -> int:
        return await RunnerApi(self.client.transport).register_node(
            self.workflow_id,
            hostname=self.hostname,
            pid=self.number,
            started_at=virtual_now(),
            resources=self._resources(),
            allocation=allocation,
        )

    def _resources(self) -> WorkerResources:
        return WorkerResources(num_cpus=self.request.spec.num_cpus, memory=self.request.spec.memory)

    async def _serve(self, death: Death | None) -> bool:
        idle = 0.0
        while idle <= self.idle_limit and not await self._is_complete():
            jobs = await self._claim(death)
            if jobs and death == "unreported":
                await self._finish(jobs[:-1])
                return True
            if jobs and death:
                return False
            await self._finish(jobs)
            if not jobs:
                await anyio.sleep(15)
            idle = 0.0 if jobs else idle + 15
        return True

    async def _is_complete(self) -> bool:
        return await self.client.is_complete(self.workflow_id)

    async def _claim(self, death: Death | None) -> list[ClaimedJob]:
        api = RunnerApi(self.client.transport)
        jobs = await api.claim_jobs(
            self.workflow_id, self._resources(), limit=self.request.spec.num_cpus
        )
        started = {"claimed": 0, "half-way": len(jobs) // 2}.get(death or "", len(jobs))
        for job in jobs[:started]:
            await api.start_job(job.job.id, run_id=self.run_id, node_id=self.node_id)
        return jobs

    async def _finish(self, jobs: Sequence[ClaimedJob]) -> None:
        """Runs the jobs at the same time."""
        began = anyio.current_time()
        endings = [(self._ending_of(job), job) for job in jobs]
        for ending, job in sorted(endings, key=lambda pair: pair[0][2]):
            await anyio.sleep(max(0.0, began + ending[2] - anyio.current_time()))
            with suppress(ServerError):  # the job was canceled
                await self.client.complete_job(job.job.id, self._result(job, ending))

    def _ending_of(self, job: ClaimedJob) -> Ending:
        endings = self.endings.get(job.job.name, ())
        retries = self.run_id - 1 + job.job.attempt - 1
        return endings[retries] if retries < len(endings) else SUCCESS

    def _result(self, job: ClaimedJob, ending: Ending) -> NewResult:
        return_code, peak_memory, seconds = ending
        return NewResult(
            workflow_id=self.workflow_id,
            run_id=self.run_id,
            attempt=job.job.attempt,
            compute_node_id=self.node_id,
            status=_status_of(return_code),
            return_code=return_code,
            exec_seconds=seconds,
            completed_at=virtual_now(),
            peak_memory=peak_memory,
        )


def _status_of(return_code: int) -> JobStatus:
    if return_code < 0:
        return JobStatus.TERMINATED
    return JobStatus.FAILED if return_code else JobStatus.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """``client`` is the user's client; its connection never fails."""

    directory: Path
    line: Line
    client: TorcClient
    scheduler: SimulatedScheduler
    events: list[Event] = field(default_factory=list)

    async def submit(
        self,
        jobs: Sequence[str],
        *,
        after: dict[str, str] | None = None,
        uncanceled: Collection[str] = (),
        allocations: int = 1,
    ) -> int:
        """Creates a workflow in its first run, with jobs of 64 MiB and 60 s.

        ``after`` has the parent of each job that depends on one; parents come first in ``jobs``.
        When a parent fails, the server does not cancel children in ``uncanceled``.
        """
        client = self.client
        workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
        small = NewRequirements(name="small", memory=64 * MIB, runtime=60)
        row = await client.create_requirements(workflow_id, small)
        free = [name for name in jobs if name not in (after or {})]
        new = [NewJob(name=name, command="true", requirements_id=row) for name in free]
        ids = dict(zip(free, await client.create_jobs(workflow_id, new), strict=True))
        for child, parent in (after or {}).items():
            job = NewJob(
                name=child,
                command="true",
                requirements_id=row,
                depends_on_job_ids=(ids[parent],),
                cancel_on_blocking_job_failure=child not in uncanceled,
            )
            ids[child] = (await client.create_jobs(workflow_id, [job]))[0]
        await client.advance_run(workflow_id, to_run=1)
        await client.initialize_jobs(workflow_id)
        if allocations:
            await self.allocate(workflow_id, allocations)
        return workflow_id

    async def allocate(self, workflow_id: int, allocations: int = 1) -> None:
        """Submits allocations as a user does."""
        config_id = await self.create_row(workflow_id)
        work = WorkerAssignment(
            connection=self.client.transport.connection,
            workflow_id=workflow_id,
            scheduler_config_id=config_id,
            output_dir=Path("out"),
        )
        specs = [
            AllocationSpec(
                token=f"submitted-{workflow_id}.{config_id}.{number}", num_cpus=10, memory=GIB
            )
            for number in range(1, allocations + 1)
        ]
        await submit_allocations(self.client, self.scheduler, specs, work)

    async def create_row(self, workflow_id: int, **columns: Any) -> int:
        """A row of the site's scheduler, for allocations of 10 CPUs and 1 GiB. Returns its id."""
        if self.scheduler.type == "local":
            shape = AllocationShape(num_cpus=10, memory=GIB)
            return await self.client.create_scheduler_config(
                workflow_id, "local", name="local", shape=shape
            )
        row = {"workflow_id": workflow_id, "name": "rows", "account": "a", "nodes": 1}
        row |= {"walltime": "01:00:00", "mem": "1g", "extra": "--cpus-per-task=10"} | columns
        answer = await self.client.transport.post("/slurm_schedulers", body=row)
        return int(answer["id"])

    def request(self, workflow_id: int, **changes: Any) -> WatchRequest:
        """A watch with recovery that polls every 60 s, without an end."""
        request = WatchRequest(
            workflow_id=workflow_id,
            recovery=RecoverySettings(),
            poll_interval=60,
            show_job_counts=False,
            output_dir=self.directory,
        )
        return replace(request, **changes)

    @asynccontextmanager
    async def context(
        self,
        scheduler: Scheduler | None = None,
        before_change: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint,
        lease: str | None = None,
    ) -> AsyncIterator[EngineContext]:
        """Changes by ``scheduler`` do not await ``before_change``."""
        with closing(Journal(self.directory / "journal.db", lease)) as journal:
            async with Transport(
                Connection(url=URL), http=self.line, before_change=before_change
            ) as transport:
                yield EngineContext(
                    client=await TorcClient.connect(transport),
                    cluster=Cluster.of(scheduler or self.scheduler, machine=ThisMachine()),
                    journal=journal,
                    locks=self.directory / "locks",
                    outputs=OUTPUTS,
                    report=self.events.append,
                    before_change=before_change,
                    clock=virtual_now,
                    has_room=RoomProbe(lambda: _perform_at_once),
                )

    async def watch(
        self, workflow_id: int, scheduler: Scheduler | None = None, **changes: Any
    ) -> WatchEnded:
        """Watches one workflow to its end, with a new journal connection, as a new process does."""
        async with self.context(scheduler) as context:
            return await watch_workflow(self.request(workflow_id, **changes), context)

    def seen(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    async def results(self, workflow_id: int) -> list[tuple[str, int, int]]:
        """Name, run and return code of each ended job of all runs, sorted."""
        names = {job.id: job.name for job in await self.client.list_jobs(workflow_id)}
        answer = await self.client.transport.get(
            "/results", workflow_id=workflow_id, all_runs="true"
        )
        return sorted(
            (names[row["job_id"]], row["run_id"], row["return_code"]) for row in answer["items"]
        )

    async def requirements(self, workflow_id: int) -> dict[str, Requirements]:
        """The requirements of each job, by the job's name."""
        rows = {row.id: row for row in await self.client.list_requirements(workflow_id)}
        jobs = await self.client.list_jobs(workflow_id)
        return {job.name: rows[job.requirements_id or 0] for job in jobs}


OpenSite = Callable[..., AbstractAsyncContextManager[Site]]
ServeSite = Callable[[Path], AbstractAsyncContextManager[SiteServer]]


@asynccontextmanager
async def _serve_in_loop(api_version: ApiVersionName, directory: Path) -> AsyncIterator[SiteServer]:
    async with open_server(ServerSettings(directory=directory, api_version=api_version)) as app:
        yield InLoop(app)


@asynccontextmanager
async def site_in(
    parent: Path,
    folder: str = "site",
    *,
    serve: ServeSite = partial(_serve_in_loop, "1.0"),  # noqa: B008 - a constant
    scheduler_type: str = "local",
    allocations_before: int = 0,
) -> AsyncIterator[Site]:
    """A site in ``parent / folder``, which may hold an earlier one."""
    directory = parent / folder
    async with (
        serve(directory / "server") as server,
        Transport(Connection(url=URL), http=Line(server)) as transport,
    ):
        client = await TorcClient.connect(transport)
        scheduler = SimulatedScheduler(
            client, scheduler_type, allocations_before=allocations_before
        )
        try:
            yield Site(directory=directory, line=Line(server), client=client, scheduler=scheduler)
        finally:
            await scheduler.close()


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder in memory if there is such a file system: tests do not wait for a disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def api_version() -> ApiVersionName:
    """Tests that need another version override it."""
    return "1.0"


@pytest.fixture
def serve_site(api_version: ApiVersionName) -> ServeSite:
    """Serves the data of a folder. Tests with other servers override it."""
    return partial(_serve_in_loop, api_version)


@pytest.fixture
def open_site(quick_path: Path, serve_site: ServeSite) -> OpenSite:
    """Opens a site on a folder that may hold an earlier one.

    The test itself calls it, since virtual time begins with the test.
    """
    return partial(site_in, quick_path, serve=serve_site)


def _torc_program(version: str, program: str) -> Path:
    found = home_of(version) / "bin" / program
    if not found.exists():
        missing = f"{found} does not exist: run scripts/setup-torc"
        if "torc" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="session")
def torc_program() -> Callable[[str, str], Path]:
    """Returns the path of a program of a real Torc version; skips if it is not installed."""
    return _torc_program


@pytest.fixture(scope="session")
def browser() -> str:
    """The path of a real browser; skips if none is installed."""
    if found := installed_browser():
        return found
    missing = "no chromium is installed: run scripts/setup-browser"
    if "browser" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
        pytest.fail(missing)
    pytest.skip(missing)
