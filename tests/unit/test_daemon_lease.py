"""One daemon is active, others are on standby: takeovers, and what a daemon does after one."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.rigs.daemon import ELSEWHERE, ME, OOM, PATIENCE, DaemonRig, killed_at_the_end, running
from torc_watch.core.errors import JournalCorrupt
from torc_watch.core.units import MIB
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action
from torc_watch.daemon.lease import Lease
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import InvalidFile, PendingCommand, Spool
from torc_watch.host.processes import find_process

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("no_threads")]


async def test_second_daemon_is_on_standby_and_takes_over(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"long": [(137, 64 * MIB, 900.0)]}
        await site.submit(["long"])
        first, second = DaemonRig(site, ELSEWHERE), DaemonRig(site, ME)
        first.send(Action.ADD)

        async with anyio.create_task_group() as tasks:
            async with killed_at_the_end(first):
                await first.until(lambda: bool(first.workflows()))
                tasks.start_soon(second.run)
                await anyio.sleep(300)
                assert second.reported == [daemon_events.LeaseHeldElsewhere(holder=ELSEWHERE)]
            killed = anyio.current_time()
            await second.until_event(daemon_events.LeaseTaken)
            assert PATIENCE - 30 <= anyio.current_time() - killed <= PATIENCE + 30
            await second.until_ended(1)
            second.requests.stop()

        assert await site.results(1) == [("long", 1, 137), ("long", 2, 0)]


@pytest.fixture
def neighbor() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process of this machine."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


async def test_death_of_the_holder_on_the_same_machine_is_seen_within_seconds(
    open_site: "OpenSite", neighbor: "subprocess.Popen[bytes]"
) -> None:
    found = find_process(neighbor.pid)
    assert found is not None
    holder = replace(ME, pid=neighbor.pid, started=found.started)
    async with open_site() as site:
        assert Lease(site.directory / "lease", holder).acquire(0)
        daemon = DaemonRig(site, ME)
        async with running(daemon):
            await anyio.sleep(100)
            assert daemon.reported == [daemon_events.LeaseHeldElsewhere(holder=holder)]
            killed = anyio.current_time()
            neighbor.kill()
            neighbor.wait()
            await daemon.until_event(daemon_events.LeaseTaken)
            assert anyio.current_time() - killed <= 5


async def test_daemon_that_lost_the_lease_changes_nothing(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        await site.submit(["big"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)

        async with running(daemon):
            await daemon.until_event(daemon_events.LeaseTaken)
            daemon.take_over()
            await daemon.until_event(daemon_events.LeaseGone)
            assert changes_by_the_engine(site) == []
            assert daemon.events(daemon_events.LeaseHeldElsewhere)
            assert not daemon.board.views
            await daemon.until_ended(1)  # take_over() started no successor

        assert await site.results(1) == [("big", 1, 137), ("big", 2, 0)]


def changes_by_the_engine(site: "Site") -> list[str]:
    return [f"{method} {path}" for _, method, path in site.line.sent if method != "GET"]


async def test_takeover_while_the_journal_is_opened_prevents_the_start(
    open_site: "OpenSite",
) -> None:
    def open_registry_too_late(lease: str) -> Registry:
        registry = daemon.real_registry(lease)
        daemon.take_over()
        return registry

    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        daemon.open_registry = open_registry_too_late

        async with running(daemon):
            await daemon.until_event(daemon_events.LeaseGone)

        assert not daemon.events(daemon_events.LeaseTaken)


async def test_command_read_before_a_takeover_is_left_to_the_successor(
    open_site: "OpenSite",
) -> None:
    """The successor may have applied it and later commands, which this daemon would undo."""

    class SuspendedSpool(Spool):
        """Simulates a daemon that is suspended after it read the spool, until after a takeover."""

        def pending(self) -> list[PendingCommand | InvalidFile]:
            if pending := super().pending():
                daemon.take_over()
            return pending

    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        daemon.spool = SuspendedSpool(daemon.home / "spool")

        async with running(daemon):
            await anyio.sleep(11)
            daemon.send(Action.ADD)
            await daemon.until_event(daemon_events.LeaseGone)

        assert daemon.workflows() == []


async def test_invalid_file_is_not_rejected_after_a_takeover(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        async with running(daemon):
            await daemon.until_event(daemon_events.LeaseTaken)
            await anyio.sleep(1.5)
            daemon.take_over()
            file = daemon.write_spool_file("0.json", "of a newer version")
            await daemon.until_event(daemon_events.LeaseGone)

            assert file.exists()
            assert not daemon.events(daemon_events.CommandUnreadable)


async def test_journal_that_the_successor_repaired_is_not_set_aside(
    open_site: "OpenSite",
) -> None:
    def find_damage_too_late(_: str) -> Registry:
        daemon.journal.write_text("repaired")
        daemon.take_over()
        raise JournalCorrupt(f"{daemon.journal} was damaged.")

    async with open_site() as site:
        daemon = DaemonRig(site, ME)
        daemon.open_registry = find_damage_too_late

        async with running(daemon):
            await daemon.until_event(daemon_events.LeaseGone)

        assert daemon.journal.read_text() == "repaired"
        assert not daemon.events(daemon_events.StateSetAside)


async def test_daemon_whose_journal_was_claimed_takes_the_lease_again(
    open_site: "OpenSite",
) -> None:
    """An earlier daemon, suspended after it took the lease, claims the journal when it resumes."""
    async with open_site() as site:
        await site.submit(["small"])
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        async with running(daemon):
            await daemon.until(lambda: bool(daemon.workflows()))
            Registry(daemon.journal, "of an earlier daemon").close()
            await daemon.until_ended(1)

        assert len(daemon.events(daemon_events.LeaseGone)) == 1
        assert len(daemon.events(daemon_events.LeaseTaken)) == 2
