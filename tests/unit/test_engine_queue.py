"""The queue between watchers, diagnosis task and recovery task: cancellation, crashes, bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from anyio.abc import TaskGroup

from tests.rigs.watches import watch_all
from torc_watch.core import events
from torc_watch.core.errors import WatchHeld
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.units import MIB
from torc_watch.engine.messages import EngineContext, WatchRequest
from torc_watch.engine.supervisor import Supervisor, open_supervisor, watch_workflow

if TYPE_CHECKING:
    from tests.conftest import Fault, Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)
UNKNOWN = (1, None, 10.0)
QUEUE = 32


class BackgroundWatch:
    """A watch in a task of its own, to be canceled."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self.verdict: WatchEnded | None = None

    async def run(self, supervisor: Supervisor, request: WatchRequest) -> None:
        with self.scope:
            self.verdict = await supervisor.watch(request)
        self.ended.set()


@asynccontextmanager
async def watching(context: EngineContext, request: WatchRequest) -> AsyncIterator[BackgroundWatch]:
    watch = BackgroundWatch()
    async with open_supervisor(context) as supervisor, anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run, supervisor, request)
        yield watch


@asynccontextmanager
async def unstarted_supervisor(site: "Site") -> AsyncIterator[tuple[Supervisor, TaskGroup]]:
    """A supervisor that reads no poll results before its start, and a group for tasks."""
    async with site.context() as context, anyio.create_task_group() as tasks:
        with closing(Supervisor(context)) as supervisor:
            yield supervisor, tasks
            tasks.cancel_scope.cancel()


async def until_seen(site: "Site", kind: type[events.Event]) -> None:
    with anyio.fail_after(5000):
        while not site.seen(kind):  # noqa: ASYNC110 - virtual time
            await anyio.sleep(1)


def slow(method: str, path: str, seconds: float, *, workflow_id: int) -> "Fault":
    """Delays requests of one workflow to ``path``."""

    async def wait(request: httpx.Request, forward: "Forward") -> httpx.Response:
        if _is_to(request, method, path, workflow_id):
            await anyio.sleep(seconds)
        return await forward(request)

    return wait


def crash_once(method: str, path: str, workflow_id: int) -> "Fault":
    """Raises an internal error at the first request of one workflow to ``path``."""
    crashes = 0

    async def crash(request: httpx.Request, forward: "Forward") -> httpx.Response:
        nonlocal crashes
        if _is_to(request, method, path, workflow_id) and not crashes:
            crashes += 1
            raise ZeroDivisionError("of this test")
        return await forward(request)

    return crash


def _is_to(request: httpx.Request, method: str, path: str, workflow_id: int) -> bool:
    place = (request.method, request.url.path.removeprefix("/torc-service/v1"))
    return place == (method, path) and _owner(request, workflow_id) == str(workflow_id)


def _owner(request: httpx.Request, default: int) -> str:
    """The workflow of a request; ``default`` if the ID is not in the query but in the path."""
    return str(request.url.params.get("workflow_id", default))


async def assert_locked(site: "Site", workflow_id: int) -> None:
    with pytest.raises(WatchHeld):
        await site.watch(workflow_id)


async def test_poll_result_that_waits_in_the_queue_is_withdrawn(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [UNKNOWN]}
        await site.submit(["a"])
        await site.scheduler.rest()
        watch = BackgroundWatch()
        async with unstarted_supervisor(site) as (supervisor, tasks):
            tasks.start_soon(watch.run, supervisor, site.request(1))
            await anyio.sleep(100)
            await assert_locked(site, 1)

            watch.scope.cancel()
            await anyio.sleep(1)
            assert watch.ended.is_set()

            site.events.clear()
            site.line.sent.clear()
            supervisor.start(tasks)
            await anyio.sleep(100)
            assert not site.events
            assert not site.line.sent

        assert (await site.watch(1)).verdict is Verdict.SUCCEEDED


async def test_watch_canceled_during_a_diagnosis_starts_no_round(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [UNKNOWN]}
        await site.submit(["a"])
        await site.scheduler.rest()
        site.line.fault = slow("GET", "/results", 20, workflow_id=1)
        async with site.context() as context:
            async with watching(context, site.request(1)) as watch:
                await until_seen(site, events.DiagnosisStarted)
                watch.scope.cancel()
                await anyio.sleep(15)
                await assert_locked(site, 1)
                assert not watch.ended.is_set()
                await anyio.sleep(100)  # a diagnosis requests results more than once
                assert watch.ended.is_set()

            assert not site.seen(events.RecoveryPlanned)
            assert {method for _, method, _ in site.line.sent} == {"GET"}

        assert (await site.watch(1)).verdict is Verdict.SUCCEEDED
        assert len(site.scheduler.requests) == 2


async def test_watch_canceled_in_a_round_finishes_it_before_it_releases_the_lock(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        await site.scheduler.rest()
        site.scheduler.seconds_to_submit = {1: 500.0}
        async with site.context() as context, watching(context, site.request(1)) as watch:
            await until_seen(site, events.SubmissionStarted)
            watch.scope.cancel()
            await anyio.sleep(400)
            await assert_locked(site, 1)
            assert not watch.ended.is_set()
            await anyio.sleep(110)
            assert watch.ended.is_set()
            assert len(site.seen(events.RecoveryInitiated)) == 1

        assert (await site.watch(1)).verdict is Verdict.SUCCEEDED
        assert len(site.scheduler.requests) == 2
        assert len(site.seen(events.RecoveryPlanned)) == 1


async def test_round_is_canceled_with_the_tasks_of_the_supervisor(open_site: "OpenSite") -> None:
    """The next watch continues the round from the journal."""

    async def run() -> None:
        async with site.context() as context, watching(context, site.request(1)):
            await anyio.sleep_forever()

    async with open_site() as site:
        await begin_endless_round(site)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await until_seen(site, events.SubmissionStarted)
            canceled = anyio.current_time()
            tasks.cancel_scope.cancel()
        assert anyio.current_time() - canceled < 1
        await assert_round_continues(site)


async def test_interrupted_foreground_watch_does_not_finish_its_round(
    open_site: "OpenSite",
) -> None:
    """Ctrl-C cancels the task of the command, and the next command continues the round."""

    async def run() -> None:
        async with site.context() as context:
            await watch_workflow(site.request(1), context)

    async with open_site() as site:
        await begin_endless_round(site)
        command = asyncio.create_task(run())
        await until_seen(site, events.SubmissionStarted)
        canceled = anyio.current_time()
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command
        assert anyio.current_time() - canceled < 1
        await assert_round_continues(site)


async def begin_endless_round(site: "Site") -> None:
    """A workflow whose first round waits for its allocation."""
    site.scheduler.endings = {"a": [OOM]}
    await site.submit(["a"])
    await site.scheduler.rest()
    site.scheduler.seconds_to_submit = {1: 10_000.0}


async def assert_round_continues(site: "Site") -> None:
    site.scheduler.seconds_to_submit = {}
    assert (await site.watch(1)).verdict is Verdict.SUCCEEDED
    assert len(site.seen(events.RecoveryPlanned)) == 1
    assert len(site.seen(events.RecoveryContinued)) == 1
    assert len(site.scheduler.requests) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/results"), ("POST", "/workflows/1/initialize_jobs")],
    ids=["diagnosis", "recovery"],
)
async def test_crash_reaches_only_the_watcher_of_its_workflow(
    open_site: "OpenSite", method: str, path: str
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [OOM]}
        for name in ("a", "b"):
            await site.submit([name])
        site.line.fault = crash_once(method, path, 1)

        async with site.context() as context:
            verdicts = await watch_all([site.request(1), site.request(2)], context)

        assert [verdicts[number].verdict for number in (1, 2)] == [Verdict.SUCCEEDED] * 2
        assert [event.workflow_id for event in site.seen(events.WatchCrashed)] == [1]
        started = [event.workflow_id for event in site.seen(events.WatchStarted)]
        assert started.count(1) == started.count(2) + 1
        assert sorted(event.workflow_id for event in site.seen(events.RecoveryPlanned)) == [1, 2]


async def test_slow_diagnosis_delays_no_other_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [UNKNOWN], "b": [UNKNOWN]}
        for name in ("a", "b"):
            await site.submit([name])
        await site.scheduler.rest()
        site.line.fault = slow("GET", "/jobs", 20, workflow_id=1)

        async with site.context() as context:
            await watch_all([site.request(1), site.request(2)], context)

        sequence = [
            (type(event), event.workflow_id)
            for event in site.events
            if isinstance(event, events.DiagnosisStarted | events.RecoveryPlanned)
        ]
        assert sorted(sequence[:2], key=lambda each: each[1]) == [
            (events.DiagnosisStarted, 1),
            (events.DiagnosisStarted, 2),
        ]
        assert sequence[2:] == [(events.RecoveryPlanned, 2), (events.RecoveryPlanned, 1)]


async def test_poll_results_beyond_the_queue_limit_wait_and_can_be_canceled(
    open_site: "OpenSite",
) -> None:
    """In the end, each watch that was not canceled gets its decision."""
    watches = {number: BackgroundWatch() for number in range(1, QUEUE + 9)}
    async with open_site() as site:
        for _ in watches:
            await site.submit(["a"])
        await site.scheduler.rest()
        async with unstarted_supervisor(site) as (supervisor, tasks):
            for number, watch in watches.items():
                tasks.start_soon(watch.run, supervisor, site.request(number))
            await anyio.sleep(100)
            canceled = {1, 2, QUEUE + 7, QUEUE + 8}  # two in the queue, two that wait
            for number in canceled:
                watches[number].scope.cancel()
            await anyio.sleep(1)
            assert {n for n, watch in watches.items() if watch.ended.is_set()} == canceled

            supervisor.start(tasks)
            await anyio.sleep(100)

    ended = {number for number, watch in watches.items() if watch.verdict}
    assert ended == watches.keys() - canceled


async def test_watch_canceled_as_its_poll_result_enters_the_queue_is_not_decided(
    open_site: "OpenSite",
) -> None:
    """The watcher is canceled before it learns that the queue took its result."""
    last = QUEUE + 1
    watches = {number: BackgroundWatch() for number in range(1, last + 1)}
    async with open_site() as site:
        for _ in watches:
            await site.submit(["a"])
        await site.scheduler.rest()
        async with unstarted_supervisor(site) as (supervisor, tasks):
            for number, watch in watches.items():
                tasks.start_soon(watch.run, supervisor, site.request(number))
                await anyio.sleep(1)
            supervisor._polls_out.receive_nowait()
            watches[last].scope.cancel()
            await watches[last].ended.wait()

            supervisor.start(tasks)
            await anyio.sleep(100)

    completed = {event.workflow_id for event in site.seen(events.WorkflowSucceeded)}
    assert completed == set(range(2, last))
