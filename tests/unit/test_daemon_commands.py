"""What the daemon does with commands, and with the watches of its workflows."""

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.rigs.daemon import ME, OOM, SERVER, DaemonRig, running
from torc_watch.core import events
from torc_watch.core.units import MIB
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action, WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.watch_history import watches_of
from torc_watch.daemon.workflow_view import Phase, WorkflowView
from torc_watch.engine.journal import Journal

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("no_threads")]


async def test_command_sent_before_the_daemon_started_is_applied(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        await site.submit(["big"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)

        async with running(daemon):
            await daemon.until_ended(1)

        assert [view.verdict for view in daemon.last_views] == ["succeeded"]
        (workflow,) = daemon.workflows()
        assert (workflow.verdict, workflow.options) == ("succeeded", WatchOptions())
        assert daemon.spool.pending() == []
        assert daemon.lease.holder() is None


async def test_daemon_keeps_the_views_of_the_previous_daemon(open_site: "OpenSite") -> None:
    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD, await site.submit(["small"]))
        async with running(daemon):
            await daemon.until_ended(1)
        known = WorkflowView(
            server=SERVER, workflow_id=1, name="train", phase=Phase.ENDED, counts={"completed": 1}
        )

        next_one = DaemonRig(site, ME, previous_views=(known, replace(known, workflow_id=2)))
        async with running(next_one):
            await next_one.until_event(daemon_events.LeaseTaken)
            (view,) = next_one.board.views

    assert view == replace(known, verdict="succeeded")


async def test_watch_is_postponed_until_the_server_answers(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        site.line.fault = refused

        async with running(daemon):
            await daemon.until_event(events.WatchPostponed)
            site.line.fault = None
            await daemon.until_ended(1)


async def test_eight_workflows_are_polled_at_once(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"long": [(0, None, 300.0)]}
        daemon = DaemonRig(site, ME)
        for _ in range(30):
            daemon.send(Action.ADD, await site.submit(["long"]))
        under_way, most = 0, 0

        async def slow(request: httpx.Request, forward: "Forward") -> httpx.Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await anyio.sleep(1)
            under_way -= 1
            return await forward(request)

        site.line.fault = slow
        async with running(daemon):
            await daemon.until(lambda: [e.name for e in site.events].count("watch.looked") == 30)

        assert most == 8


async def test_unreachable_server_is_tried_once_for_all_workflows(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        for number in range(1, 41):
            daemon.send(Action.ADD, number)
        site.line.fault = refused_slowly

        async with running(daemon):
            await daemon.until(lambda: len(daemon.events(events.WatchPostponed)) >= 40, 120)
            assert len(site.line.sent) < 10  # the retries of one workflow, not of forty


async def refused_slowly(request: httpx.Request, _: "Forward") -> httpx.Response:
    await anyio.sleep(10)
    raise httpx.ConnectTimeout("no answer", request=request)


async def refused(request: httpx.Request, _: "Forward") -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def test_pause_takes_effect_after_the_round_under_way(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        site.scheduler.seconds_to_submit = {1: 500.0}
        await site.submit(["big"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)

        async with running(daemon):
            await daemon.until(lambda: bool(site.seen(events.SubmissionStarted)))
            begun = events.RecoveryAttempted(workflow_id=1, number=1, max_retries=3)
            daemon.board.update(begun, SERVER)  # which the site's own watches do not do
            daemon.send(Action.PAUSE)
            await daemon.until(lambda: bool(daemon.events(daemon_events.CommandApplied)[1:]))
            assert [view.phase for view in daemon.board.views] == [Phase.RECOVERING]
            await daemon.until(lambda: bool(site.seen(events.RecoveryInitiated)))
            await anyio.sleep(10)
            assert [view.phase for view in daemon.board.views] == [Phase.PAUSED]
            requests = len(site.line.sent)
            await anyio.sleep(1000)
            assert len(site.line.sent) == requests
            assert [workflow.state for workflow in daemon.workflows()] == [WatchState.PAUSED]
            daemon.send(Action.RESUME)
            await daemon.until_ended(1)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


async def test_removed_workflow_is_not_watched(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"], allocations=0)
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)

        async with running(daemon):
            await daemon.until(lambda: bool(daemon.workflows()))
            daemon.send(Action.REMOVE)
            daemon.send(Action.REMOVE)
            await daemon.until_event(daemon_events.CommandRefused)
            assert not daemon.board.views

        assert daemon.workflows() == []
        assert [event.verb for event in daemon.events(daemon_events.CommandApplied)] == [
            "add",
            "remove",
        ]


async def test_reload_opens_a_new_connection_and_lets_the_round_finish(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM], "long": [(0, None, 700.0)]}
        site.scheduler.seconds_to_submit = {1: 500.0}
        await site.submit(["big"])
        await site.submit(["long"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        daemon.send(Action.ADD, 2)

        async with running(daemon):
            await daemon.until(lambda: bool(site.seen(events.SubmissionStarted)))
            daemon.requests.reload()
            await daemon.until(lambda: len(site.seen(events.WatchStarted)) == 3, 30)
            assert daemon.connections == ["opened", "opened"]
            await daemon.until(lambda: bool(site.seen(events.RecoveryInitiated)))
            await daemon.until(lambda: daemon.connections == ["opened", "opened", "closed"], 30)
            await daemon.until_ended(1, 2)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


async def test_server_is_closed_after_its_last_watch(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"long": [(0, None, 300.0)]}
        await site.submit(["small"])
        await site.submit(["long"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        daemon.send(Action.ADD, 2)

        async with running(daemon):
            await daemon.until_ended(1)
            assert daemon.connections == ["opened"]
            daemon.send(Action.REMOVE, 2)
            await daemon.until(lambda: daemon.connections == ["opened", "closed"])
            daemon.send(Action.ADD, 2)
            await daemon.until_ended(1, 2)

        assert daemon.connections == ["opened", "closed"] * 2


async def test_stop_waits_a_minute_for_a_round_that_the_next_daemon_continues(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        site.scheduler.seconds_to_submit = {1: 5000.0}
        await site.submit(["big"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        async with running(daemon):
            await daemon.until(lambda: bool(site.seen(events.SubmissionStarted)))
            began = anyio.current_time()
        assert anyio.current_time() - began == pytest.approx(60)
        assert daemon.lease.holder() is None

        site.scheduler.seconds_to_submit = {}
        again = DaemonRig(site, ME)
        async with running(again):
            await again.until_ended(1)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


async def test_invalid_file_in_the_spool_is_rejected(open_site: "OpenSite") -> None:
    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        daemon.write_spool_file("0.json", "nonsense")

        async with running(daemon):
            await daemon.until(lambda: bool(daemon.workflows()))

        (unreadable,) = daemon.events(daemon_events.CommandUnreadable)
        assert await anyio.Path(unreadable.kept).read_text() == "nonsense"


async def test_poke_applies_commands_at_once(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"])
        daemon = DaemonRig(site, ME)
        async with running(daemon):
            await anyio.sleep(11)
            daemon.send(Action.ADD)
            began = anyio.current_time()
            await daemon.requests.poke().wait()
            assert anyio.current_time() == began
            assert daemon.workflows()


async def test_reload_continues_the_watch_and_counts_its_rounds(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM, (137, 99 * MIB, 10.0)]}
        await site.submit(["big"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)

        async with running(daemon):
            await daemon.until(lambda: bool(site.seen(events.RecoveryInitiated)))
            daemon.requests.reload()
            await daemon.until_ended(1)

        assert [event.number for event in site.seen(events.RecoveryInitiated)] == [1, 2]
        rounds = [event.rounds_used for event in site.seen(events.WatchStarted)]
        assert rounds == [0, 1, 1, 2]


async def test_verdict_of_a_daemon_that_was_killed_is_made_good(open_site: "OpenSite") -> None:
    """It was killed after it stored the verdict, before it ended the watch and showed it."""
    ended = WatchedWorkflow(
        server=SERVER,
        workflow_id=1,
        options=WatchOptions(),
        state=WatchState.ENDED,
        verdict="stuck",
        reason="Nothing runs.",
    )
    shown = WorkflowView(
        server=SERVER, workflow_id=1, phase=Phase.WATCHING, counts={"running": 1}, name="w"
    )
    async with open_site() as site:
        daemon = DaemonRig(site, ME, previous_views=(shown,))
        identity = WorkflowIdentity(server=SERVER, workflow_id=1, created="then")
        with closing(Journal(daemon.journal)) as journal:
            journal.begin_watch(identity)
        with closing(Registry(daemon.journal)) as registry:
            registry.save(ended)

        async with running(daemon):
            await daemon.until_event(daemon_events.LeaseTaken)

        (watch,) = watches_of(site.directory, 1)
        assert (watch.verdict, watch.reason) == ("stuck", "Nothing runs.")
        (view,) = daemon.last_views
        assert (view.phase, view.verdict, view.name) == (Phase.ENDED, "stuck", "w")
        assert view.counts is None
