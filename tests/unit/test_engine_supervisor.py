"""Several workflows at once, isolated from each other."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from tests.rigs.watches import watch_all
from torc_watch.core import events
from torc_watch.core.errors import JournalError, NotFound, WatchHeld
from torc_watch.core.events import Verdict
from torc_watch.core.units import MIB
from torc_watch.engine.messages import EngineContext
from torc_watch.engine.supervisor import open_supervisor, watch_workflow

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)


async def test_slow_submission_delays_no_other_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"slow": [OOM], "quick": [(137, None, 300.0)]}
        for name in ("slow", "quick"):
            await site.submit([name])
        site.scheduler.seconds_to_submit = {1: 5000.0}
        ended: dict[int, float] = {}

        async with site.context() as context:
            verdicts = await watch_all(
                [site.request(1), site.request(2)], recording_ends(context, ended)
            )

        assert {number: each.verdict for number, each in verdicts.items()} == {
            1: Verdict.SUCCEEDED,
            2: Verdict.SUCCEEDED,
        }
        assert ended[2] < 500
        assert ended[1] > 5000


def recording_ends(context: EngineContext, ended: dict[int, float]) -> EngineContext:
    """The context, which also stores when each watch ended."""

    def report(event: Any) -> None:
        context.report(event)
        if isinstance(event, events.WatchEnded):
            ended[event.workflow_id] = anyio.current_time()

    return replace(context, report=report)


@pytest.mark.parametrize(("crashes", "verdict"), [(2, Verdict.SUCCEEDED), (3, Verdict.CRASHED)])
async def test_crash_is_retried_twice_and_affects_no_other_watch(
    open_site: "OpenSite", crashes: int, verdict: Verdict
) -> None:
    """Each crash is reported; the third ends the watch."""
    async with open_site() as site:
        for name in ("a", "b"):
            site.scheduler.endings[name] = [(0, None, 100.0)]
            await site.submit([name])
        site.line.fault = InternalError("/workflows/1/is_complete", crashes)

        async with site.context() as context:
            verdicts = await watch_all([site.request(1), site.request(2)], context)

        assert verdicts[1].verdict is verdict
        assert verdicts[2].verdict is Verdict.SUCCEEDED
        broken = site.seen(events.WatchCrashed)
        assert [event.workflow_id for event in broken] == [1] * crashes
        assert "ZeroDivisionError: of this test" in broken[0].error
        if verdict is Verdict.HANDED_OVER:
            assert "of this test" in verdicts[1].reason


async def test_watch_that_ended_by_crashes_stays_open_in_the_journal(open_site: "OpenSite") -> None:
    """The next watch continues it, with its retry count."""
    async with open_site() as site:
        await site.submit(["a"])
        site.line.fault = InternalError("/workflows/1/is_complete", 3)
        assert (await site.watch(1)).verdict is Verdict.CRASHED

        assert (await site.watch(1)).verdict is Verdict.SUCCEEDED

        with closing(sqlite3.connect(site.directory / "journal.db")) as database:
            assert database.execute("SELECT verdict FROM watch").fetchall() == [("succeeded",)]


class InternalError:
    """Raises an internal error at a request, so many times."""

    def __init__(self, path: str, times: int) -> None:
        self._path = path
        self._left = times

    async def __call__(self, request: httpx.Request, forward: "Forward") -> httpx.Response:
        if request.url.path.endswith(self._path) and self._left:
            self._left -= 1
            raise ZeroDivisionError("of this test")
        return await forward(request)


async def test_round_continues_after_a_crash(open_site: "OpenSite") -> None:
    """A crash of the recovery task counts as a crash of the watch."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        workflow_id = await site.submit(["a"])
        site.line.fault = InternalError("/initialize_jobs", 1)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.WatchCrashed)) == 1
        assert len(site.seen(events.RecoveryPlanned)) == 1


async def test_journal_error_ends_all_watches(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [(0, None, 10_000.0)]}
        for name in ("a", "b"):
            await site.submit([name])

        async with site.context() as context:
            with pytest.raises(JournalError, match="Nothing is changed without it"):
                await watch_all([site.request(1), site.request(2)], break_journal(context, site))

        assert anyio.current_time() < 1000
        assert (await site.client.get_workflow(1)).run_id == 1


def break_journal(context: EngineContext, site: "Site") -> EngineContext:
    """The context, whose journal cannot be written after the first failed workflow."""

    def report(event: Any) -> None:
        context.report(event)
        if isinstance(event, events.WorkflowFailed):
            with sqlite3.connect(site.directory / "journal.db") as database:
                database.execute("DROP TABLE step")
            database.close()

    return replace(context, report=report)


async def test_closed_output_ends_the_watch_without_a_retry(open_site: "OpenSite") -> None:
    """It is not treated as a crash."""

    def report(event: Any) -> None:
        if isinstance(event, events.WorkflowComplete):
            raise BrokenPipeError

    async with open_site() as site:
        await site.submit(["a"])
        async with site.context() as context:
            with pytest.raises(BrokenPipeError):
                await watch_workflow(site.request(1), replace(context, report=report))


async def test_watch_continues_after_a_crash_of_the_event_listener(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round in progress is finished first."""

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


async def test_watch_of_an_unknown_workflow_is_refused(open_site: "OpenSite") -> None:
    async with open_site() as site:
        with pytest.raises(NotFound):
            await site.watch(42)
        assert not site.events


async def test_second_watch_of_a_workflow_is_refused(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await site.submit(["a"])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(site.watch, workflow_id)
            await anyio.sleep(1)
            with pytest.raises(WatchHeld, match="already watched by process"):
                await site.watch(workflow_id)
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED


async def test_watch_after_a_journaled_outcome_counts_its_own_rounds(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)] * 9}
        workflow_id = await site.submit(["a"])
        for _ in range(2):
            assert (await site.watch(workflow_id)).verdict is Verdict.EXHAUSTED
        assert len(site.scheduler.requests) == 1 + 3 + 3


async def test_watch_stays_open_when_its_outcome_is_refused(open_site: "OpenSite") -> None:
    """It is refused when a user's command came first; the next watch continues this one."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)] * 9}
        workflow_id = await site.submit(["a"])
        async with site.context() as context, open_supervisor(context) as supervisor:
            ended = await supervisor.watch(site.request(workflow_id), lambda _: False)
        assert ended.verdict is Verdict.EXHAUSTED

        assert (await site.watch(workflow_id)).verdict is Verdict.EXHAUSTED
        assert len(site.scheduler.requests) == 1 + 3


async def test_one_watch_retries_a_failing_server_for_all(open_site: "OpenSite") -> None:
    async def answer(request: httpx.Request, forward: "Forward") -> httpx.Response:
        if 100 < anyio.current_time() < 2000:
            raise httpx.ConnectError("refused", request=request)
        return await forward(request)

    async with open_site() as site:
        for name in "abcdefgh":
            site.scheduler.endings[name] = [(0, None, 3000.0)]
            await site.submit([name])
        site.line.fault = answer
        deferred_at = dict[int, float]()

        async with site.context() as context:

            def report(event: Any) -> None:
                context.report(event)
                if isinstance(event, events.PollDeferred | events.PollFailed):
                    deferred_at.setdefault(event.workflow_id, anyio.current_time())

            reporting = replace(context, report=report)
            await watch_all([site.request(number) for number in range(1, 9)], reporting)

        assert deferred_at.keys() == set(range(1, 9))
        assert max(deferred_at.values()) < 170
        held_up, failed = site.seen(events.PollDeferred), site.seen(events.PollFailed)
        assert {event.reason for event in held_up} <= {event.reason for event in failed}
        asked = [moment for moment, _, _ in site.line.sent if 160 < moment < 2000]
        assert 4 * 1840 / 60 < len(asked) < 4 * 1840 / 25  # four attempts, once in each pause
