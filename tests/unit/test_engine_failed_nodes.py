"""A node that failed may still run jobs until its scheduler hears from it again."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.cause import Cause
from torc_watch.core.events import Verdict
from torc_watch.core.intervals import NODE_GRACE

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime


def lost(*nodes: str) -> AllocationStatus:
    """The end of an allocation because of nodes, of which these do not answer."""
    return AllocationStatus(
        state=AllocationState.UNKNOWN if nodes else AllocationState.GONE,
        cause=EndCause.NODE_FAILURE,
        began=datetime.now(UTC),
        ended=datetime.now(UTC),
        silent_nodes=nodes,
    )


async def submit(site: "Site", *nodes: str) -> int:
    """A workflow whose one allocation, with a job that runs, was lost with these nodes."""
    site.scheduler.deaths, site.scheduler.ends = {1: "running"}, {1: lost(*nodes)}
    workflow_id = await site.submit(["a"])
    await site.scheduler.rest()
    return workflow_id


def changes(site: "Site") -> list[str]:
    return [path for _, method, path in site.line.sent if method != "GET"]


async def test_recovery_waits_for_the_node(open_site: "OpenSite") -> None:
    async with open_site() as site, anyio.create_task_group() as tasks:
        workflow_id = await submit(site, "n3")
        began = anyio.current_time()
        back = began + NODE_GRACE / 2

        async def return_of_node() -> None:
            await anyio.sleep_until(back)
            assert changes(site) == []
            site.scheduler.ends = {1: lost()}

        tasks.start_soon(return_of_node)
        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(workflow_id) == [("a", 1, -128), ("a", 2, 0)]
        (planned,) = site.seen(events.RecoveryPlanned)
        assert [retry.cause for retry in planned.plan.retries] == [Cause.NODE]
        (awaited,) = site.seen(events.NodesAwaited)
        assert (awaited.nodes, awaited.seconds) == (("n3",), NODE_GRACE)


async def test_workflow_is_handed_over_when_the_node_stays_away(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await submit(site, "n3", "n4")
        began = anyio.current_time()

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.HANDED_OVER
        assert ended.reason == (
            "Nodes n3, n4 failed and may still run jobs of allocation 1. Make sure that they are "
            "off, or that no process of the jobs is left there, then "
            f"`torc-watchd recover {workflow_id}`."
        )
        assert [job.reason for job in ended.evidence] == ["allocation 1 lost a node that failed"]
        assert NODE_GRACE <= anyio.current_time() - began < NODE_GRACE + 120
        assert changes(site) == []
        assert not site.scheduler.canceled


async def test_user_says_that_the_node_is_off_by_asking_for_recovery(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        workflow_id = await submit(site, "n3")

        ended = await site.watch(workflow_id, once=True)

        assert ended.verdict is Verdict.RESUBMITTED
        assert await site.results(workflow_id) == [("a", 1, -128)]
        assert not site.seen(events.NodesAwaited)


async def test_grace_begins_when_nothing_else_is_left(open_site: "OpenSite") -> None:
    """Another allocation still works, for longer than the grace."""
    async with open_site() as site, anyio.create_task_group() as tasks:
        workflow_id = await submit(site, "n3")
        site.scheduler.known_states[2] = AllocationState.ALIVE
        await site.client.create_allocation(
            workflow_id, scheduler_id=2, scheduler_config_id=1, scheduler_type="local"
        )
        end = anyio.current_time() + 2 * NODE_GRACE

        async def end_of_the_other() -> None:
            await anyio.sleep_until(end)
            assert not site.seen(events.NodesAwaited)
            site.scheduler.known_states[2] = AllocationState.GONE

        tasks.start_soon(end_of_the_other)
        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.HANDED_OVER
        assert anyio.current_time() >= end + NODE_GRACE


async def test_workflow_whose_jobs_were_all_reported_succeeds_at_once(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        workflow_id = await submit(site)
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        await site.client.create_allocation(
            workflow_id, scheduler_id=9, scheduler_config_id=1, scheduler_type="local"
        )
        site.scheduler.ends[9] = lost("n3")
        began = anyio.current_time()

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert anyio.current_time() - began < NODE_GRACE / 2
