"""The daemon on a whole site, in virtual time: what it is asked, when it acts, when it stops."""

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.errors import JournalBusy, JournalCorrupt, JournalError
from torc_watch.core.units import MIB
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action, Command, WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.daemon import ControlRequests, Daemon, DaemonContext, Intervals
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.daemon.fence import Fence, FencedScheduler
from torc_watch.daemon.lease import Lease, this_process
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import PendingCommand, Spool
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.workflow_view import Phase, WorkflowView
from torc_watch.engine.supervisor import Supervisor, open_supervisor
from torc_watch.engine.watch import WatchRequest

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

T = TypeVar("T")

SERVER = f"http://test-{os.getpid()}/torc-service/v1"
OOM = (137, 64 * MIB, 10.0)
PATIENCE = 180.0
ME = this_process(PATIENCE)
ELSEWHERE = replace(ME, host="login02", boot="another")


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time would fly while a thread works."""

    async def run_sync(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)


@dataclass
class Service:
    """A daemon that runs on a login node, and what it has said."""

    site: "Site"
    holder: Holder
    wishes: ControlRequests = field(default_factory=ControlRequests)
    said: list[WorkflowEvent | DaemonEvent] = field(default_factory=list)

    board: StatusBoard = field(default_factory=StatusBoard)
    known_before: tuple[WorkflowView, ...] = ()
    shown_last: tuple[WorkflowView, ...] = ()
    lines: list[str] = field(default_factory=list)  # to the server, opened and closed

    def report(self, event: WorkflowEvent, server: str) -> None:
        self.said.append(event)
        self.board.note(event, server)

    def __post_init__(self) -> None:
        self.home = self.site.directory
        self.lease = Lease(self.home / "lease", self.holder)
        self.fence = Fence(self.lease)

    @property
    def spool(self) -> Spool:
        return Spool(self.home / "spool")

    @asynccontextmanager
    async def open_server(self, server: str) -> AsyncIterator[Supervisor]:
        assert server == SERVER
        scheduler = FencedScheduler(self.site.scheduler, self.fence)
        opened = self.site.context(scheduler, self.fence.check, self.lease.name)
        async with opened as context, open_supervisor(context) as supervisor:
            self.lines.append("opened")
            yield supervisor
            self.lines.append("closed")

    async def show_last(self) -> None:
        self.shown_last = self.board.views

    def request_for(self, entry: WatchedWorkflow) -> WatchRequest:
        return self.site.request(entry.workflow_id)

    async def run(self) -> None:
        means = DaemonContext(
            lease=self.lease,
            fence=self.fence,
            spool=self.spool,
            journal=self.home / "journal.db",
            open_server=self.open_server,
            request_for=self.request_for,
            board=self.board,
            report=self.report,
            announce=self.said.append,
            known_before=lambda: self.known_before,
            at_the_end=self.show_last,
        )
        await Daemon(means, self.wishes, Intervals()).run()

    def order(self, verb: Action, workflow_id: int = 1) -> None:
        self.spool.put(Command(verb=verb, server=SERVER, workflow_id=workflow_id))

    def spool_file(self, name: str, content: str) -> Path:
        path = self.home / "spool" / "incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def heard(self, kind: type[T]) -> list[T]:
        return [event for event in self.said if isinstance(event, kind)]

    def entries(self) -> list[WatchedWorkflow]:
        registry = Registry(self.home / "journal.db")
        try:
            return registry.entries()
        finally:
            registry.close()

    async def until(self, condition: Callable[[], bool], seconds: float = 5000) -> None:
        with anyio.fail_after(seconds):
            while not condition():  # noqa: ASYNC110 - in virtual time it costs nothing
                await anyio.sleep(1)

    async def until_ended(self, *workflow_ids: int) -> None:
        await self.until(
            lambda: (
                [
                    entry.workflow_id
                    for entry in self.entries()
                    if entry.condition is WatchState.ENDED
                ]
                == list(workflow_ids)
            )
        )


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for service in services:
            tasks.start_soon(service.run)
        yield
        for service in services:
            service.wishes.stop()


async def test_what_was_asked_before_it_ran_is_done(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        await site.submit(["big"])
        service = Service(site, ME)
        service.order(Action.ADD)

        async with running(service):
            await service.until_ended(1)

        assert [view.verdict for view in service.shown_last] == ["succeeded"]
        (entry,) = service.entries()
        assert (entry.verdict, entry.choices) == ("succeeded", WatchOptions())
        assert service.spool.deliveries() == []
        assert service.lease.holder() is None


async def test_what_was_known_of_a_workflow_outlives_the_daemon(open_site: "OpenSite") -> None:
    async with open_site() as site:
        service = Service(site, ME)
        service.order(Action.ADD, await site.submit(["small"]))
        async with running(service):
            await service.until_ended(1)
        known = WorkflowView(server=SERVER, workflow_id=1, name="train", counts={"completed": 1})

        next_one = Service(site, ME, known_before=(known, replace(known, workflow_id=2)))
        async with running(next_one):
            await next_one.until(lambda: bool(next_one.heard(daemon_events.LeaseTaken)))
            (view,) = next_one.board.views

    assert view == replace(known, phase=Phase.ENDED, verdict="succeeded")


async def test_a_workflow_waits_for_its_server(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"])
        service = Service(site, ME)
        service.order(Action.ADD)
        site.line.fault = refused

        async with running(service):
            await service.until(lambda: bool(service.heard(events.WatchPostponed)))
            site.line.fault = None
            await service.until_ended(1)


async def test_many_workflows_are_taken_up_a_few_at_a_time(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"long": [(0, None, 300.0)]}
        service = Service(site, ME)
        for _ in range(30):
            service.order(Action.ADD, await site.submit(["long"]))
        under_way, most = 0, 0

        async def slow(request: httpx.Request, forward: "Forward") -> httpx.Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await anyio.sleep(1)
            under_way -= 1
            return await forward(request)

        site.line.fault = slow
        async with running(service):
            await service.until(lambda: [e.name for e in site.events].count("watch.looked") == 30)

        assert most == 8


async def test_many_workflows_of_a_server_that_is_away_ask_together(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        service = Service(site, ME)
        for number in range(1, 41):
            service.order(Action.ADD, number)
        site.line.fault = refused_slowly

        async with running(service):
            await service.until(lambda: len(service.heard(events.WatchPostponed)) >= 40, 120)


async def refused_slowly(request: httpx.Request, _: "Forward") -> httpx.Response:
    await anyio.sleep(10)
    raise httpx.ConnectTimeout("nobody there", request=request)


async def refused(request: httpx.Request, _: "Forward") -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def test_the_second_login_node_stands_by_and_takes_over(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"long": [(137, 64 * MIB, 900.0)]}
        await site.submit(["long"])
        first, second = Service(site, ELSEWHERE), Service(site, ME)
        first.order(Action.ADD)

        async with anyio.create_task_group() as tasks:
            async with killed_at_the_end(first):
                await first.until(lambda: bool(first.entries()))
                tasks.start_soon(second.run)
                await anyio.sleep(300)
                assert second.said == [daemon_events.LeaseHeldElsewhere(holder=ELSEWHERE)]
            killed = anyio.current_time()
            await second.until(lambda: bool(second.heard(daemon_events.LeaseTaken)))
            assert PATIENCE - 30 <= anyio.current_time() - killed <= PATIENCE + 30
            await second.until_ended(1)
            second.wishes.stop()

        assert await site.results(1) == [("long", 1, 137), ("long", 2, 0)]


@asynccontextmanager
async def killed_at_the_end(service: Service) -> AsyncIterator[None]:
    """Its lease is not given back."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.run)
        yield
        tasks.cancel_scope.cancel()


async def test_without_the_lease_nothing_is_changed(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        await site.submit(["big"])
        service = Service(site, ME)
        service.order(Action.ADD)

        async with running(service):
            await service.until(lambda: bool(service.heard(daemon_events.LeaseTaken)))
            (service.home / "lease" / "2").write_text(json.dumps(asdict(ELSEWHERE)))
            await service.until(lambda: bool(service.heard(daemon_events.LeaseGone)))
            assert changes_by_the_engine(site) == []
            assert service.heard(daemon_events.LeaseHeldElsewhere)
            assert not service.board.views
            await service.until_ended(1)  # whoever wrote that does not live

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


async def test_who_was_followed_while_it_opened_the_journal_does_not_begin(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Registry.__init__

    def open_too_late(registry: Registry, path: Path, lease: str | None = None) -> None:
        opened(registry, path, lease)
        (service.home / "lease" / "2").write_text(json.dumps(asdict(ELSEWHERE)))

    async with open_site() as site:
        service = Service(site, ME)
        monkeypatch.setattr(Registry, "__init__", open_too_late)

        async with running(service):
            await service.until(lambda: bool(service.heard(daemon_events.LeaseGone)))

        assert not service.heard(daemon_events.LeaseTaken)


async def test_an_order_that_another_daemon_may_have_followed_is_left_to_it(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """And later ones, too: they would be undone."""
    read = Spool.deliveries

    def read_and_stopped(spool: Spool) -> list[PendingCommand]:
        if deliveries := read(spool):
            (service.home / "lease" / "2").write_text(json.dumps(asdict(ELSEWHERE)))
        return deliveries

    async with open_site() as site:
        service = Service(site, ME)
        monkeypatch.setattr(Spool, "deliveries", read_and_stopped)

        async with running(service):
            await anyio.sleep(11)
            service.order(Action.ADD)
            await service.until(lambda: bool(service.heard(daemon_events.LeaseGone)))

        assert service.entries() == []


async def test_what_is_no_order_to_this_version_may_be_one_to_another(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        service = Service(site, ME)
        async with running(service):
            await service.until(lambda: bool(service.heard(daemon_events.LeaseTaken)))
            await anyio.sleep(1.5)
            (service.home / "lease" / "2").write_text(json.dumps(asdict(ELSEWHERE)))
            order = service.spool_file("0.json", "of a newer version")
            await service.until(lambda: bool(service.heard(daemon_events.LeaseGone)))

            assert order.exists()
            assert not service.heard(daemon_events.CommandUnreadable)


async def test_a_journal_that_another_daemon_has_mended_is_not_set_aside(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_damage_and_stop(path: Path) -> None:
        path.write_text("mended")
        (service.home / "lease" / "2").write_text(json.dumps(asdict(ELSEWHERE)))
        raise JournalCorrupt(f"{path} was damaged.")

    async with open_site() as site:
        service = Service(site, ME)
        monkeypatch.setattr("torc_watch.daemon.daemon.check_integrity", find_damage_and_stop)

        async with running(service):
            await service.until(lambda: bool(service.heard(daemon_events.LeaseGone)))

        assert (service.home / "journal.db").read_text() == "mended"
        assert not service.heard(daemon_events.StateSetAside)


def changes_by_the_engine(site: "Site") -> list[str]:
    return [f"{method} {path}" for _, method, path in site.line.sent if method != "GET"]


async def test_a_daemon_whose_journal_was_claimed_makes_sure_that_it_acts(
    open_site: "OpenSite",
) -> None:
    """By one that was stopped after it had taken the lease, and goes on for a moment."""
    async with open_site() as site:
        await site.submit(["small"])
        service = Service(site, ME)
        service.order(Action.ADD)
        async with running(service):
            await service.until(lambda: bool(service.entries()))
            Registry(service.home / "journal.db", "of a daemon before this one").close()
            await service.until_ended(1)

        assert len(service.heard(daemon_events.LeaseGone)) == 1
        assert len(service.heard(daemon_events.LeaseTaken)) == 2


async def test_a_paused_workflow_ends_its_round_first(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        site.scheduler.seconds_to_submit = {1: 500.0}
        await site.submit(["big"])
        service = Service(site, ME)
        service.order(Action.ADD)

        async with running(service):
            await service.until(lambda: bool(site.seen(events.SubmissionStarted)))
            service.order(Action.PAUSE)
            await service.until(lambda: bool(site.seen(events.RecoveryInitiated)))
            await anyio.sleep(10)
            looks = len(site.line.sent)
            await anyio.sleep(1000)
            assert len(site.line.sent) == looks
            assert [entry.condition for entry in service.entries()] == [WatchState.PAUSED]
            service.order(Action.RESUME)
            await service.until_ended(1)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


async def test_a_removed_workflow_is_left_alone(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"], allocations=0)
        service = Service(site, ME)
        service.order(Action.ADD)

        async with running(service):
            await service.until(lambda: bool(service.entries()))
            service.order(Action.REMOVE)
            service.order(Action.REMOVE)
            await service.until(lambda: bool(service.heard(daemon_events.CommandRefused)))
            assert not service.board.views

        assert service.entries() == []
        assert [event.verb for event in service.heard(daemon_events.CommandApplied)] == [
            "add",
            "remove",
        ]


async def test_a_reload_reaches_the_server_and_lets_a_round_end(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM], "long": [(0, None, 700.0)]}
        site.scheduler.seconds_to_submit = {1: 500.0}
        await site.submit(["big"])
        await site.submit(["long"])
        service = Service(site, ME)
        service.order(Action.ADD)
        service.order(Action.ADD, 2)

        async with running(service):
            await service.until(lambda: bool(site.seen(events.SubmissionStarted)))
            service.wishes.reload()
            await service.until(lambda: len(site.seen(events.WatchStarted)) == 3, 30)
            assert service.lines == ["opened", "opened"]
            await service.until(lambda: bool(site.seen(events.RecoveryInitiated)))
            await service.until(lambda: service.lines == ["opened", "opened", "closed"], 30)
            await service.until_ended(1, 2)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


async def test_a_server_without_workflows_is_closed(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"long": [(0, None, 300.0)]}
        await site.submit(["small"])
        await site.submit(["long"])
        service = Service(site, ME)
        service.order(Action.ADD)
        service.order(Action.ADD, 2)

        async with running(service):
            await service.until_ended(1)
            assert service.lines == ["opened"]
            service.order(Action.REMOVE, 2)
            await service.until(lambda: service.lines == ["opened", "closed"])
            service.order(Action.ADD, 2)
            await service.until_ended(1, 2)

        assert service.lines == ["opened", "closed"] * 2


async def test_a_stop_does_not_wait_for_ever_and_loses_nothing(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        site.scheduler.seconds_to_submit = {1: 5000.0}
        await site.submit(["big"])
        service = Service(site, ME)
        service.order(Action.ADD)
        async with running(service):
            await service.until(lambda: bool(site.seen(events.SubmissionStarted)))
            began = anyio.current_time()
        assert anyio.current_time() - began == pytest.approx(60)
        assert service.lease.holder() is None

        site.scheduler.seconds_to_submit = {}
        again = Service(site, ME)
        async with running(again):
            await again.until_ended(1)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


async def test_what_is_no_order_is_set_aside(open_site: "OpenSite") -> None:
    async with open_site() as site:
        service = Service(site, ME)
        service.order(Action.ADD)
        service.spool_file("0.json", "nonsense")

        async with running(service):
            await service.until(lambda: bool(service.entries()))

        (unreadable,) = service.heard(daemon_events.CommandUnreadable)
        assert await anyio.Path(unreadable.kept).read_text() == "nonsense"


async def test_a_poke_is_followed_at_once(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"])
        service = Service(site, ME)
        async with running(service):
            await anyio.sleep(11)
            service.order(Action.ADD)
            began = anyio.current_time()
            await service.wishes.poke().wait()
            assert anyio.current_time() == began
            assert service.entries()


async def test_a_state_folder_that_does_not_answer_is_waited_for(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = OSError(116, "Stale file handle", "/home/lease")
    errors: list[Exception] = [stale, JournalError("The ticket has expired.")]
    opened = Registry.__init__

    def open_later(registry: Registry, path: Path, lease: str | None = None) -> None:
        if errors:
            raise errors.pop()
        opened(registry, path, lease)

    async with open_site() as site:
        await site.submit(["small"])
        service = Service(site, ME)
        service.order(Action.ADD)
        monkeypatch.setattr(Registry, "__init__", open_later)

        async with running(service):
            await service.until(lambda: bool(service.heard(daemon_events.LeaseTaken)))
            await service.until_ended(1)

        reasons = [trouble.reason for trouble in service.heard(daemon_events.StateTrouble)]
        assert reasons[0] == "The ticket has expired."
        assert reasons[1].startswith("/home/lease: Stale file handle. Its file system does not")


async def test_a_journal_that_is_locked_is_waited_for_with_the_lease(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Registry.__init__
    is_locked = True

    def open_later(registry: Registry, path: Path, lease: str | None = None) -> None:
        if is_locked:
            raise JournalBusy("It is locked by process 7.")
        opened(registry, path, lease)

    async with open_site() as site:
        await site.submit(["small"])
        first, second = Service(site, ELSEWHERE), Service(site, ME)
        first.order(Action.ADD)
        monkeypatch.setattr(Registry, "__init__", open_later)

        async with running(first, second):
            await anyio.sleep(10 * PATIENCE)
            assert second.said == [daemon_events.LeaseHeldElsewhere(holder=ELSEWHERE)]
            is_locked = False
            await first.until_ended(1)

        assert len(first.heard(daemon_events.LeaseTaken)) == 1


async def test_who_cannot_use_the_journal_at_all_gives_way(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locks may be out of order on one login node only."""
    opened = Registry.__init__

    def open_elsewhere(registry: Registry, path: Path, lease: str | None = None) -> None:
        if not second.heard(daemon_events.LeaseHeldElsewhere) or second.lease.epoch is None:
            raise JournalError("locking protocol")
        opened(registry, path, lease)

    async with open_site() as site:
        await site.submit(["small"])
        first, second = Service(site, ELSEWHERE), Service(site, ME)
        first.order(Action.ADD)
        monkeypatch.setattr(Registry, "__init__", open_elsewhere)

        async with running(first, second):
            await second.until(lambda: bool(second.heard(daemon_events.LeaseTaken)))


async def test_who_held_the_lease_before_is_named_while_the_journal_is_locked(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    def stay_locked(_: Registry, path: Path, __: str) -> None:
        raise JournalBusy(f"{path.name} is locked.")

    async with open_site() as site:
        stopped, service = Service(site, ELSEWHERE), Service(site, ME)
        assert stopped.lease.acquire(0)
        monkeypatch.setattr(Registry, "__init__", stay_locked)

        async with running(service):
            await service.until(lambda: bool(service.heard(daemon_events.StateTrouble)))

        assert service.heard(daemon_events.StateTrouble)[0].reason == (
            f"journal.db is locked. Process {ELSEWHERE.pid} on login02 held the lease before us."
        )


async def test_trouble_that_comes_back_is_met_later_each_time(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time all workflows are looked at again."""

    def refuse(_: Registry, entry: WatchedWorkflow) -> None:
        raise JournalError(f"No space left on device for workflow {entry.workflow_id}.")

    async with open_site() as site:
        service = Service(site, ME)
        service.order(Action.ADD)
        monkeypatch.setattr(Registry, "keep", refuse)

        async with running(service):
            await anyio.sleep(3600)

        assert 60 <= len(service.heard(daemon_events.StateTrouble)) <= 130


async def test_trouble_long_after_other_trouble_is_new(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site() as site:
        service = Service(site, ME)
        async with running(service):
            for number in range(10):
                await anyio.sleep(300)
                with monkeypatch.context() as patched:
                    patched.setattr(Spool, "deliveries", away)
                    await service.until(
                        lambda: len(service.heard(daemon_events.StateTrouble)) > number  # noqa: B023
                    )

        assert max(trouble.retry_in for trouble in service.heard(daemon_events.StateTrouble)) <= 4


def away(_: Spool) -> list[PendingCommand]:
    raise OSError("The ticket has expired.")


async def test_a_verdict_that_could_not_be_kept_is_no_new_beginning(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, refused = Registry.keep, list[WatchedWorkflow]()

    def keep_later(registry: Registry, entry: WatchedWorkflow) -> None:
        if entry.condition is WatchState.ENDED and not refused:
            refused.append(entry)
            raise JournalError("No space left on device.")
        keep(registry, entry)

    async with open_site() as site:
        await site.submit(["small"])
        service = Service(site, ME)
        service.order(Action.ADD)
        monkeypatch.setattr(Registry, "keep", keep_later)

        async with running(service):
            await service.until_ended(1)

        assert refused
        with closing(sqlite3.connect(site.directory / "journal.db")) as journal:
            assert journal.execute("SELECT count(*) FROM watch").fetchone() == (1,)


@pytest.mark.parametrize("damage", ["none of it is a database", "a page"])
async def test_a_damaged_state_is_set_aside_and_said(open_site: "OpenSite", damage: str) -> None:
    async with open_site() as site:
        await site.submit(["small"])
        service = Service(site, ME)
        service.order(Action.ADD)
        async with running(service):
            await service.until_ended(1)
        path = anyio.Path(service.home / "journal.db")
        content = await path.read_bytes()
        broken = b"nonsense" * 999 if damage != "a page" else content[:4096] + b"x" * 9000
        await path.write_bytes(broken)

        again = Service(site, ME)
        again.order(Action.ADD)
        async with running(again):
            await again.until(lambda: bool(again.heard(daemon_events.LeaseTaken)))
            await again.until_ended(1)

        (event,) = again.heard(daemon_events.StateSetAside)
        assert await anyio.Path(event.kept).read_bytes() == broken


async def test_a_changed_configuration_holds_without_a_new_watch(open_site: "OpenSite") -> None:
    """The watch goes on: its rounds count."""
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM, (137, 99 * MIB, 10.0)]}
        await site.submit(["big"])
        service = Service(site, ME)
        service.order(Action.ADD)

        async with running(service):
            await service.until(lambda: bool(site.seen(events.RecoveryInitiated)))
            service.wishes.reload()
            await service.until_ended(1)

        assert [event.number for event in site.seen(events.RecoveryInitiated)] == [1, 2]
        rounds = [event.rounds_used for event in site.seen(events.WatchStarted)]
        assert rounds == [0, 1, 1, 2]


async def test_a_plan_of_another_version_concerns_one_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        site.scheduler.seconds_to_submit = {1: 5000.0}
        await site.submit(["big"])
        first = Service(site, ME)
        first.order(Action.ADD)
        async with killed_at_the_end(first):
            await first.until(lambda: bool(site.seen(events.SubmissionStarted)))
        site.scheduler.seconds_to_submit = {}
        change_journal(first, "UPDATE step SET record = '{}' WHERE name = 'plan'")

        other = await site.submit(["small"])
        service = Service(site, replace(ME, pid=0))
        service.order(Action.ADD, other)
        async with running(service):
            await service.until_ended(other)
            view = service.board.view((SERVER, 1))
            assert view is not None
            assert view.phase is Phase.WAITING
            assert "torc-watchd remove 1" in view.reason

            service.order(Action.REMOVE)
            service.order(Action.ADD)
            await service.until_ended(other, 1)

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


def change_journal(service: Service, statement: str) -> None:
    with closing(sqlite3.connect(service.home / "journal.db")) as journal:
        journal.execute(statement)
        journal.commit()


async def test_choices_of_another_version_concern_one_workflow(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await site.submit(["small"])
        first = Service(site, ME)
        first.order(Action.ADD)
        async with running(first):
            await first.until_ended(1)
        change_journal(first, "UPDATE entry SET choices = '?', condition = 'watched'")

        other = await site.submit(["small"])
        service = Service(site, ME)
        service.order(Action.SET)
        service.order(Action.ADD, other)
        async with running(service):
            await service.until_ended(other)
            (entry, _) = service.entries()
            assert entry.condition is WatchState.UNREADABLE
            assert [event.verb for event in service.heard(daemon_events.CommandRefused)] == ["set"]
            view = service.board.view((SERVER, 1))
            assert view is not None
            assert view.reason == entry.reason

            service.order(Action.ADD)
            await service.until_ended(1, other)


@dataclass
class Defective(Service):
    """With a mistake of ours in what is done at a ``place`` for the first workflow, so many times.

    That of opening a server is met by whichever workflow comes.
    """

    place: str = ""
    defects: int = 0

    def request_for(self, entry: WatchedWorkflow) -> WatchRequest:
        if entry.workflow_id == 1:
            self.meet("request_for")
        return super().request_for(entry)

    @asynccontextmanager
    async def open_server(self, server: str) -> AsyncIterator[Supervisor]:
        self.meet("open_server")
        async with super().open_server(server) as supervisor:
            yield supervisor

    async def answer(self, request: httpx.Request, forward: "Forward") -> httpx.Response:
        if request.url.path.endswith("/workflows/1"):
            self.meet("begin")
        if request.url.path.endswith("/workflows/1/is_complete"):
            self.meet("poll")
        return await forward(request)

    def meet(self, place: str) -> None:
        if place == self.place and self.defects:
            self.defects -= 1
            raise ZeroDivisionError("of this test")


@pytest.mark.parametrize(
    ("place", "defects", "verdict"),
    [
        ("request_for", 2, "succeeded"),
        ("request_for", 99, "handed_over"),
        ("begin", 99, "handed_over"),
        ("poll", 2, "succeeded"),
        ("poll", 99, "handed_over"),
        ("open_server", 2, "succeeded"),
    ],
)
async def test_a_defect_ends_neither_the_daemon_nor_other_watches(
    open_site: "OpenSite", place: str, defects: int, verdict: str
) -> None:
    async with open_site() as site:
        service = Defective(site, ME, place=place, defects=defects)
        service.order(Action.ADD, await site.submit(["small"]))
        other = await site.submit(["small"])
        site.line.fault = service.answer
        async with running(service):
            await service.until(lambda: len(service.heard(events.WatchCrashed)) >= 2, 60)
            service.order(Action.ADD, other)
            await service.until_ended(1, other)

        assert [entry.verdict for entry in service.entries()] == [verdict, "succeeded"]
        broken = [event.workflow_id for event in service.heard(events.WatchCrashed)]
        assert broken == [1] * min(defects, 3)
        told = [*service.heard(events.WatchEnded), *site.seen(events.WatchEnded)]
        assert sorted(event.workflow_id for event in told) == [1, other]
