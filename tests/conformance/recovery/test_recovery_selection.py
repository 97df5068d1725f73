"""Which jobs run again: the chosen ones, their canceled dependents, and the announced ones."""

from typing import TYPE_CHECKING

import pytest

from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.units import GIB, MIB

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site
    from torc_watch.core.recovery_round import Plan

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)
UNKNOWN = (1, None, 10.0)
TOO_LARGE = (-9, 16 * GIB, 10.0)  # for any node, and stopped by its worker
CHOOSY = RecoverySettings(retry_unknown=False)


async def test_skipped_jobs_stay_as_they_are(open_site: "OpenSite") -> None:
    """And so do their dependents, and all other completed jobs."""
    async with open_site() as site:
        site.scheduler.endings = {"hungry": [OOM], "odd": [UNKNOWN]}
        after = {"behind_hungry": "hungry", "last": "behind_hungry", "behind_odd": "odd"}
        after |= {"behind_fine": "fine"}
        workflow_id = await site.submit(["hungry", "odd", "fine", *after], after=after)

        ended = await site.watch(workflow_id, recovery=CHOOSY)

        assert ended.verdict is Verdict.HANDED_OVER
        assert await site.results(workflow_id) == [
            ("behind_fine", 1, 0),
            ("behind_hungry", 2, 0),
            ("fine", 1, 0),
            ("hungry", 1, 137),
            ("hungry", 2, 0),
            ("last", 2, 0),
            ("odd", 1, 1),
        ]
        assert await statuses(site, workflow_id) == {
            "odd": JobStatus.FAILED,
            "behind_odd": JobStatus.CANCELED,
        }
        plan = first_plan(site)
        assert plan.repeated == ()
        assert [(left.job_name, left.restarts_anyway) for left in plan.left_alone] == [
            ("odd", False)
        ]


async def test_terminated_job_restarts_as_announced(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"hungry": [OOM], "stopped": [TOO_LARGE]}
        workflow_id = await site.submit(["hungry", "stopped"])

        await site.watch(workflow_id)

        (left,) = first_plan(site).left_alone
        assert (left.job_name, left.restarts_anyway) == ("stopped", True)
        assert ("stopped", 2, 0) in await site.results(workflow_id)


async def test_dependents_of_a_retried_job_restart_as_announced(open_site: "OpenSite") -> None:
    """Whatever their status: skipped, completed or disabled, and their own dependents."""
    async with open_site() as site:
        site.scheduler.endings = {"hungry": [OOM], "odd": [UNKNOWN]}
        after = dict.fromkeys(("odd", "done", "off"), "hungry") | {"late": "done"}
        workflow_id = await site.submit(["hungry", *after], after=after, uncanceled=["odd", "done"])
        await disable(site, workflow_id, "off")

        ended = await site.watch(workflow_id, recovery=CHOOSY)

        assert ended.verdict is Verdict.SUCCEEDED
        plan = first_plan(site)
        (left,) = plan.left_alone
        assert (left.job_name, left.restarts_anyway) == ("odd", True)
        repeated = [repeat.job_name for repeat in plan.repeated or ()]
        assert repeated == ["done", "off", "late"]
        again = [name for name, run, _ in await site.results(workflow_id) if run == 2]
        assert again == sorted(["hungry", "odd", *repeated])


def first_plan(site: "Site") -> "Plan":
    return site.seen(events.RecoveryPlanned)[0].plan


async def statuses(site: "Site", workflow_id: int) -> dict[str, JobStatus]:
    """Of the jobs that did not complete."""
    jobs = await site.client.list_jobs(workflow_id)
    return {job.name: job.status for job in jobs if job.status is not JobStatus.COMPLETED}


async def disable(site: "Site", workflow_id: int, name: str) -> None:
    (job,) = [job for job in await site.client.list_jobs(workflow_id) if job.name == name]
    await site.client.set_job_status(job.id, JobStatus.DISABLED, run_id=1)
