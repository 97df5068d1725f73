"""One poll of a workflow: its queries of the schedulers, and how it reads the answers."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.errors import SchedulerError
from torc_watch.engine.workers import observe
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.this_machine import ThisMachine

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime


def cluster_of(site: "Site") -> Cluster:
    return Cluster.of(site.scheduler, machine=ThisMachine())


async def test_polls_of_many_workflows_share_one_status_query(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one query in a cycle, although the polls are spread over half of the cycle."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(0, None, 10_000.0)]}
        workflows = [await site.submit(["a"]) for _ in range(10)]
        ask, queries = site.scheduler.statuses, []

        async def count(numbers: Collection[int]) -> dict[int, AllocationStatus]:
            queries.append(set(numbers))
            return await ask(numbers)

        monkeypatch.setattr(site.scheduler, "statuses", count)
        cluster = cluster_of(site)
        for _ in range(3):
            queries.clear()
            for workflow_id in workflows:
                seen = await observe(
                    site.client, cluster, workflow_id, with_counts=False, max_age=30
                )
                assert seen.may_have_workers
                await anyio.sleep(2.5)
            await anyio.sleep(35)

        assert queries == [set(range(1, 11))]


async def test_allocation_of_an_unknown_scheduler_has_an_unknown_state(
    open_site: "OpenSite",
) -> None:
    """Its workers may be alive."""
    async with open_site() as site:
        workflow_id = await site.submit(["a"], allocations=0)
        await site.client.create_allocation(
            workflow_id, scheduler_id=4711, scheduler_config_id=1, scheduler_type="slurm"
        )

        seen = await observe(
            site.client, cluster_of(site), workflow_id, with_counts=False, max_age=0
        )

        ((_, status),) = seen.allocations
        assert status == AllocationStatus(state=AllocationState.UNKNOWN)
        assert seen.may_have_workers


async def test_poll_fails_when_a_scheduler_does_not_answer(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_numbers: Collection[int]) -> dict[int, AllocationStatus]:
        raise SchedulerError("no answer")

    async with open_site() as site:
        workflow_id = await site.submit(["a"])
        monkeypatch.setattr(site.scheduler, "statuses", fail)
        with pytest.raises(SchedulerError, match="no answer"):
            await observe(site.client, cluster_of(site), workflow_id, with_counts=False, max_age=0)
