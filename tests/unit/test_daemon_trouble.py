"""What the daemon does when its state folder, its journal or its own code fails."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.rigs.daemon import (
    ELSEWHERE,
    ME,
    OOM,
    PATIENCE,
    SERVER,
    DaemonRig,
    killed_at_the_end,
    running,
)
from torc_watch.core import events
from torc_watch.core.errors import JournalBusy, JournalError
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action, WatchedWorkflow, WatchState
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import InvalidFile, PendingCommand, Spool
from torc_watch.daemon.watch_history import watches_of
from torc_watch.daemon.workflow_view import Phase
from torc_watch.engine.messages import WatchRequest
from torc_watch.engine.supervisor import Supervisor

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("no_threads")]


async def test_unusable_state_folder_is_retried(open_site: "OpenSite") -> None:
    stale = OSError(116, "Stale file handle", "/home/lease")
    errors: list[Exception] = [stale, JournalError("The ticket has expired.")]

    def open_registry(lease: str) -> Registry:
        if errors:
            raise errors.pop()
        return daemon.real_registry(lease)

    async with open_site() as site:
        await site.submit(["small"])
        daemon = DaemonRig(site, ME)
        daemon.open_registry = open_registry
        daemon.send(Action.ADD)

        async with running(daemon):
            await daemon.until_event(daemon_events.LeaseTaken)
            await daemon.until_ended(1)

        reasons = [trouble.reason for trouble in daemon.events(daemon_events.StateTrouble)]
        assert reasons[0] == "The ticket has expired."
        assert reasons[1].startswith("/home/lease cannot be used: Stale file handle. Its file")


async def test_locked_journal_is_retried_while_the_lease_is_held(open_site: "OpenSite") -> None:
    is_locked = True

    def open_registry(lease: str) -> Registry:
        if is_locked:
            raise JournalBusy("It is locked by process 7.")
        return first.real_registry(lease)

    async with open_site() as site:
        await site.submit(["small"])
        first, second = DaemonRig(site, ELSEWHERE), DaemonRig(site, ME)
        first.open_registry = second.open_registry = open_registry
        first.send(Action.ADD)

        async with running(first, second):
            await anyio.sleep(10 * PATIENCE)
            assert second.reported == [daemon_events.LeaseHeldElsewhere(holder=ELSEWHERE)]
            is_locked = False
            await first.until_ended(1)

        assert len(first.events(daemon_events.LeaseTaken)) == 1


async def test_daemon_that_cannot_use_the_journal_lets_its_lease_expire(
    open_site: "OpenSite",
) -> None:
    """File locks may fail on only one login node."""

    def refuse(_: str) -> Registry:
        raise JournalError("locking protocol")

    async with open_site() as site:
        await site.submit(["small"])
        first, second = DaemonRig(site, ELSEWHERE), DaemonRig(site, ME)
        first.open_registry = refuse
        first.send(Action.ADD)

        async with running(first, second):
            await second.until_event(daemon_events.LeaseTaken)

        assert first.events(daemon_events.StateTrouble)
        assert second.events(daemon_events.LeaseHeldElsewhere)


async def test_message_about_a_locked_journal_names_the_previous_holder(
    open_site: "OpenSite",
) -> None:
    def stay_locked(_: str) -> Registry:
        raise JournalBusy("The journal is locked.")

    async with open_site() as site:
        stopped, daemon = DaemonRig(site, ELSEWHERE), DaemonRig(site, ME)
        assert stopped.lease.acquire(0)
        daemon.open_registry = stay_locked

        async with running(daemon):
            await daemon.until_event(daemon_events.StateTrouble)

        assert daemon.events(daemon_events.StateTrouble)[0].reason == (
            f"The journal is locked. Process {ELSEWHERE.pid} on login02 held the lease before."
        )


async def test_repeated_trouble_increases_the_delay(open_site: "OpenSite") -> None:
    """Each attempt polls all workflows again."""

    class FullRegistry(Registry):
        def save(self, workflow: WatchedWorkflow) -> None:
            raise JournalError(f"No space left on device for workflow {workflow.workflow_id}.")

    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        daemon.open_registry = partial(FullRegistry, daemon.journal)
        daemon.send(Action.ADD)

        async with running(daemon):
            await anyio.sleep(3600)

        assert 60 <= len(daemon.events(daemon_events.StateTrouble)) <= 130


class SpoolWithErrors(Spool):
    is_readable = True

    def pending(self) -> list[PendingCommand | InvalidFile]:
        if not self.is_readable:
            raise OSError("The ticket has expired.")
        return super().pending()


async def test_delay_starts_again_after_a_minute_without_trouble(open_site: "OpenSite") -> None:
    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        daemon.spool = spool = SpoolWithErrors(daemon.home / "spool")
        async with running(daemon):
            for number in range(10):
                await anyio.sleep(300)
                spool.is_readable = False
                await daemon.until(
                    lambda: len(daemon.events(daemon_events.StateTrouble)) > number  # noqa: B023
                )
                spool.is_readable = True

        assert max(trouble.retry_in for trouble in daemon.events(daemon_events.StateTrouble)) <= 4


async def test_outcome_that_could_not_be_stored_does_not_start_a_new_watch(
    open_site: "OpenSite",
) -> None:
    refused: list[WatchedWorkflow] = []

    class FullRegistry(Registry):
        def save(self, workflow: WatchedWorkflow) -> None:
            if workflow.state is WatchState.ENDED and not refused:
                refused.append(workflow)
                raise JournalError("No space left on device.")
            super().save(workflow)

    async with open_site() as site:
        await site.submit(["small"])
        daemon = DaemonRig(site, ME)
        daemon.open_registry = partial(FullRegistry, daemon.journal)
        daemon.send(Action.ADD)

        async with running(daemon):
            await daemon.until_ended(1)

        assert refused
        with closing(sqlite3.connect(site.directory / "journal.db")) as journal:
            assert journal.execute("SELECT count(*) FROM watch").fetchone() == (1,)


@pytest.mark.parametrize("damage", ["the whole file", "one page"])
async def test_damaged_journal_is_set_aside(open_site: "OpenSite", damage: str) -> None:
    async with open_site() as site:
        await site.submit(["small"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        async with running(daemon):
            await daemon.until_ended(1)
        path = anyio.Path(daemon.journal)
        content = await path.read_bytes()
        broken = b"nonsense" * 999 if damage == "the whole file" else content[:4096] + b"x" * 9000
        await path.write_bytes(broken)

        again = DaemonRig(site, ME)
        again.send(Action.ADD)
        async with running(again):
            await again.until_event(daemon_events.LeaseTaken)
            await again.until_ended(1)

        (event,) = again.events(daemon_events.StateSetAside)
        assert await anyio.Path(event.kept).read_bytes() == broken


async def test_plan_of_another_version_affects_one_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        site.scheduler.seconds_to_submit = {1: 5000.0}
        await site.submit(["big"])
        first = DaemonRig(site, ME)
        first.send(Action.ADD)
        async with killed_at_the_end(first):
            await first.until(lambda: bool(site.seen(events.SubmissionStarted)))
        site.scheduler.seconds_to_submit = {}
        change_journal(first, "UPDATE step SET record = '{}' WHERE name = 'plan'")

        other = await site.submit(["small"])
        daemon = DaemonRig(site, replace(ME, pid=0))
        daemon.send(Action.ADD, other)
        async with running(daemon):
            await daemon.until_ended(other)
            view = daemon.board.view(WorkflowKey(SERVER, 1))
            assert view is not None
            assert view.phase is Phase.WAITING
            assert "torc-watchd remove 1" in view.reason

            daemon.send(Action.REMOVE)
            daemon.send(Action.ADD)
            await daemon.until_ended(other, 1)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


def change_journal(daemon: DaemonRig, statement: str) -> None:
    with closing(sqlite3.connect(daemon.journal)) as journal:
        journal.execute(statement)
        journal.commit()


async def test_options_of_another_version_affect_one_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"])
        first = DaemonRig(site, ME)
        first.send(Action.ADD)
        async with running(first):
            await first.until_ended(1)
        change_journal(first, "UPDATE entry SET choices = '?', condition = 'watched'")

        other = await site.submit(["small"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.SET)
        daemon.send(Action.ADD, other)
        async with running(daemon):
            await daemon.until_ended(other)
            (workflow, _) = daemon.workflows()
            assert workflow.state is WatchState.UNREADABLE
            assert [event.verb for event in daemon.events(daemon_events.CommandRefused)] == ["set"]
            view = daemon.board.view(WorkflowKey(SERVER, 1))
            assert view is not None
            assert view.reason == workflow.reason

            daemon.send(Action.ADD)
            await daemon.until_ended(1, other)


@dataclass
class CrashingDaemon(DaemonRig):
    """Raises ``errors`` unexpected exceptions at ``place`` in the watch of workflow 1.

    At ``open_server`` it raises them for any workflow.
    """

    place: str = ""
    errors: int = 0

    def request_for(self, workflow: WatchedWorkflow) -> WatchRequest:
        if workflow.workflow_id == 1:
            self.fail_at("request_for")
        return super().request_for(workflow)

    @asynccontextmanager
    async def open_server(self, server: str) -> AsyncIterator[Supervisor]:
        self.fail_at("open_server")
        async with super().open_server(server) as supervisor:
            yield supervisor

    async def answer(self, request: httpx.Request, forward: "Forward") -> httpx.Response:
        if request.url.path.endswith("/workflows/1"):
            self.fail_at("begin")
        if request.url.path.endswith("/workflows/1/is_complete"):
            self.fail_at("poll")
        return await forward(request)

    def fail_at(self, place: str) -> None:
        if place == self.place and self.errors:
            self.errors -= 1
            raise ZeroDivisionError("of this test")


@pytest.mark.parametrize(
    ("place", "errors", "verdict"),
    [
        ("request_for", 2, "succeeded"),
        ("request_for", 99, "crashed"),
        ("begin", 99, "crashed"),
        ("poll", 2, "succeeded"),
        ("poll", 99, "crashed"),
        ("open_server", 2, "succeeded"),
    ],
)
async def test_internal_error_stops_neither_the_daemon_nor_other_watches(
    open_site: "OpenSite", place: str, errors: int, verdict: str
) -> None:
    async with open_site() as site:
        daemon = CrashingDaemon(site, ME, place=place, errors=errors)
        daemon.send(Action.ADD, await site.submit(["small"]))
        other = await site.submit(["small"])
        site.line.fault = daemon.answer
        async with running(daemon):
            await daemon.until(lambda: len(daemon.events(events.WatchCrashed)) >= 2, 60)
            daemon.send(Action.ADD, other)
            await daemon.until_ended(1, other)

        assert [workflow.verdict for workflow in daemon.workflows()] == [verdict, "succeeded"]
        broken = [event.workflow_id for event in daemon.events(events.WatchCrashed)]
        assert broken == [1] * min(errors, 3)
        ended = [*daemon.events(events.WatchEnded), *site.seen(events.WatchEnded)]
        assert sorted(event.workflow_id for event in ended) == [1, other]


@pytest.mark.parametrize("action", [Action.RESUME, Action.ADD])
async def test_watch_that_an_internal_error_ended_starts_anew_with_all_its_retries(
    open_site: "OpenSite", action: Action
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"small": [OOM, (1, None, 10.0), (1, None, 10.0)]}
        daemon = CrashingDaemon(site, ME, place="poll")
        daemon.send(Action.ADD, await site.submit(["small"]))
        site.line.fault = daemon.answer
        async with running(daemon):
            await daemon.until(lambda: bool(site.seen(events.RecoveryInitiated)))
            daemon.errors = 3
            await daemon.until_ended(1)
            assert daemon.workflows()[0].verdict == "crashed"
            daemon.send(action)
            await daemon.until(lambda: len(site.seen(events.RecoveryInitiated)) > 1)

            attempts = [event.number for event in site.seen(events.RecoveryInitiated)]
            assert attempts == [1, 1]
            await daemon.until_ended(1)

        first, second = watches_of(site.directory, 1)
        assert (first.verdict, len(first.rounds)) == ("crashed", 1)
        assert "Internal error" in first.reason
        assert (second.verdict, len(second.rounds)) == ("succeeded", 2)
