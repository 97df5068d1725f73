"""Several workflows at once, and how one's troubles are kept from the others."""

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.errors import JournalError, NotFound, WatchHeld
from torc_watch.core.events import Verdict
from torc_watch.core.units import MIB
from torc_watch.engine.supervisor import watch_workflow
from torc_watch.engine.watch import EngineContext, open_supervisor

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)


async def test_slow_submission_holds_up_nobody_else(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"slow": [OOM], "quick": [(137, None, 300.0)]}
        for name in ("slow", "quick"):
            await site.submit([name])
        site.scheduler.seconds_to_submit = {1: 5000.0}
        ended: dict[int, float] = {}

        async with site.surroundings() as around:
            verdicts = await supervise(
                [site.request(1), site.request(2)], noting_ends(around, ended)
            )

        assert {number: each.verdict for number, each in verdicts.items()} == {
            1: Verdict.SUCCEEDED,
            2: Verdict.SUCCEEDED,
        }
        assert ended[2] < 500
        assert ended[1] > 5000


def noting_ends(around: EngineContext, ended: dict[int, float]) -> EngineContext:
    """The surroundings, with the time of each workflow's verdict."""

    def report(event: Any) -> None:
        around.report(event)
        if isinstance(event, events.WatchEnded):
            ended[event.workflow_id] = anyio.current_time()

    return replace(around, report=report)


@pytest.mark.parametrize(("defects", "verdict"), [(2, Verdict.SUCCEEDED), (3, Verdict.HANDED_OVER)])
async def test_defect(open_site: "OpenSite", defects: int, verdict: Verdict) -> None:
    """It is reported and tried again after a pause; the third ends this watch, and no other."""
    async with open_site() as site:
        for name in ("a", "b"):
            site.scheduler.endings[name] = [(0, None, 100.0)]
            await site.submit([name])
        site.line.fault = Defect("/workflows/1/is_complete", defects)

        async with site.surroundings() as around:
            verdicts = await supervise([site.request(1), site.request(2)], around)

        assert verdicts[1].verdict is verdict
        assert verdicts[2].verdict is Verdict.SUCCEEDED
        broken = site.seen(events.WatchCrashed)
        assert [event.workflow_id for event in broken] == [1] * defects
        assert "ZeroDivisionError: of this test" in broken[0].error
        if verdict is Verdict.HANDED_OVER:
            assert "of this test" in verdicts[1].reason


class Defect:
    """A mistake of ours in what is done about a request, so many times."""

    def __init__(self, path: str, times: int) -> None:
        self._path = path
        self._left = times

    async def __call__(self, request: httpx.Request, forward: "Forward") -> httpx.Response:
        if request.url.path.endswith(self._path) and self._left:
            self._left -= 1
            raise ZeroDivisionError("of this test")
        return await forward(request)


async def test_defect_in_a_round(open_site: "OpenSite") -> None:
    """Met by a stage behind the watcher, it is the watcher's all the same; the round goes on."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        workflow_id = await site.submit(["a"])
        site.line.fault = Defect("/initialize_jobs", 1)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.WatchCrashed)) == 1
        assert len(site.seen(events.RecoveryPlanned)) == 1


async def test_broken_journal_ends_everything(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [(0, None, 10_000.0)]}
        for name in ("a", "b"):
            await site.submit([name])

        async with site.surroundings() as around:
            with pytest.raises(JournalError, match="Nothing is changed without it"):
                await supervise([site.request(1), site.request(2)], breaking(around, site))

        assert anyio.current_time() < 1000
        assert (await site.client.get_workflow(1)).run_id == 1


def breaking(around: EngineContext, site: "Site") -> EngineContext:
    """The surroundings, with a journal that cannot be written from the first failure on."""

    def report(event: Any) -> None:
        around.report(event)
        if isinstance(event, events.WorkflowFailed):
            with sqlite3.connect(site.directory / "journal.db") as database:
                database.execute("DROP TABLE step")
            database.close()

    return replace(around, report=report)


async def test_nobody_reads_on(open_site: "OpenSite") -> None:
    """The reader of the transcript has left: no defect, and no reason to go on."""

    def report(event: Any) -> None:
        if isinstance(event, events.WorkflowComplete):
            raise BrokenPipeError

    async with open_site() as site:
        await site.submit(["a"])
        async with site.surroundings() as around:
            with pytest.raises(BrokenPipeError):
                await supervise([site.request(1)], replace(around, report=report))


async def test_defect_in_the_listener(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the watcher had handed on is brought to its end before it looks again."""

    async def open_stream(_request: httpx.Request) -> httpx.Response:
        if site.seen(events.WatchCrashed):
            return httpx.Response(404)
        if site.seen(events.SubmissionStarted):
            raise ZeroDivisionError("of this test")
        return httpx.Response(500)

    async with open_site() as site:
        monkeypatch.setattr(site.line, "open_stream", open_stream)
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        await site.scheduler.rest()
        site.scheduler.seconds_to_submit = {1: 300.0}

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.WatchCrashed)) == 1
        assert len(site.scheduler.requests) == 2
        assert len(site.seen(events.RecoveryInitiated)) == 1


async def test_unknown_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        with pytest.raises(NotFound):
            await site.watch(42)
        assert not site.events


async def test_second_watch_of_a_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await site.submit(["a"])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(site.watch, workflow_id)
            await anyio.sleep(1)
            with pytest.raises(WatchHeld, match="already watched by process"):
                await site.watch(workflow_id)
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED


async def test_verdict_is_journaled(open_site: "OpenSite") -> None:
    """After it, the next watch is a new one, with rounds of its own."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)] * 9}
        workflow_id = await site.submit(["a"])
        for _ in range(2):
            assert (await site.watch(workflow_id)).verdict is Verdict.EXHAUSTED
        assert len(site.scheduler.requests) == 1 + 3 + 3


async def test_a_verdict_that_does_not_count_is_no_end(open_site: "OpenSite") -> None:
    """A person said something else at the same moment: the next watch is this one."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)] * 9}
        workflow_id = await site.submit(["a"])
        async with site.surroundings() as around, open_supervisor(around) as supervisor:
            ended = await supervisor.watch(site.request(workflow_id), lambda _: False)
        assert ended.verdict is Verdict.EXHAUSTED

        assert (await site.watch(workflow_id)).verdict is Verdict.EXHAUSTED
        assert len(site.scheduler.requests) == 1 + 3


async def test_one_tries_an_unwell_server_and_the_others_know(open_site: "OpenSite") -> None:
    async def answer(request: httpx.Request, forward: "Forward") -> httpx.Response:
        if 100 < anyio.current_time() < 2000:
            raise httpx.ConnectError("refused", request=request)
        return await forward(request)

    async with open_site() as site:
        for name in "abcdefgh":
            site.scheduler.endings[name] = [(0, None, 3000.0)]
            await site.submit([name])
        site.line.fault = answer
        told = dict[int, float]()

        async with site.surroundings() as around:

            def report(event: Any) -> None:
                around.report(event)
                if isinstance(event, events.PollDeferred | events.PollFailed):
                    told.setdefault(event.workflow_id, anyio.current_time())

            surroundings = replace(around, report=report)
            await supervise([site.request(number) for number in range(1, 9)], surroundings)

        assert told.keys() == set(range(1, 9))
        assert max(told.values()) < 170
        held_up, failed = site.seen(events.PollDeferred), site.seen(events.PollFailed)
        assert {event.reason for event in held_up} <= {event.reason for event in failed}
        asked = [moment for moment, _, _ in site.line.sent if 160 < moment < 2000]
        assert 4 * 1840 / 60 < len(asked) < 4 * 1840 / 25  # four attempts, once in each pause
