"""Rounds that raise the requests of jobs before they start, against the embedded server."""

from typing import TYPE_CHECKING

import pytest

from tests.rigs.daemon import OOM
from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings, Step
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import MIB
from torc_watch.engine.step_executor import StepExecutor

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

AFTER = {"train_2": "prep", "train_3": "prep"}
RAISED = 71 * MIB  # 64 MiB and a tenth, rounded up


async def memory_of(site: "Site", workflow_id: int) -> dict[str, int | None]:
    return {job: row.memory for job, row in (await site.requirements(workflow_id)).items()}


async def failing(site: "Site") -> int:
    """``train_1`` lacks memory, ``prep`` fails, and the jobs that wait for it are canceled."""
    site.scheduler.endings = {"train_1": [OOM], "prep": [(1, None, 5.0)]}
    jobs = ["train_1", "prep", "train_2", "train_3"]
    return await site.submit(jobs, after=AFTER)


async def test_jobs_that_wait_are_raised_before_they_start(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failing(site)
        ended = await site.watch(workflow_id)
        memory = await memory_of(site, workflow_id)

    assert ended.verdict is Verdict.SUCCEEDED
    assert memory == {
        "train_1": 96 * MIB,
        "prep": 64 * MIB,
        "train_2": RAISED,
        "train_3": RAISED,
    }
    (planned,) = site.seen(events.RecoveryPlanned)
    assert {each.job_name for each in planned.plan.raises} == {"train_2", "train_3"}


async def test_fixed_multipliers_raise_only_what_failed(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failing(site)
        await site.watch(workflow_id, recovery=RecoverySettings(sizing=SizingPolicy.FIXED))
        memory = await memory_of(site, workflow_id)

    assert (memory["train_1"], memory["train_2"]) == (96 * MIB, 64 * MIB)


@pytest.mark.parametrize(
    ("job", "before", "after"),
    [
        pytest.param("train_2", JobStatus.CANCELED, JobStatus.DISABLED, id="waits no longer"),
        pytest.param("train_1", JobStatus.FAILED, JobStatus.UNINITIALIZED, id="was reset"),
    ],
)
async def test_job_that_a_user_took_care_of_keeps_its_row(
    open_site: "OpenSite",
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    before: JobStatus,
    after: JobStatus,
) -> None:
    """Between the plan and its step."""
    perform = StepExecutor.perform

    async def interfered(self: StepExecutor, step: Step, *rest: object, **more: object) -> None:
        if step is Step.ADJUST:
            for each in await site.client.list_jobs(workflow_id, before):
                if each.name == job:
                    await site.client.set_job_status(each.id, status=after, run_id=1)
        await perform(self, step, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(StepExecutor, "perform", interfered)
    async with open_site() as site:
        workflow_id = await failing(site)
        await site.watch(workflow_id, recovery=RecoverySettings(max_retries=1))
        memory = await memory_of(site, workflow_id)

    assert (memory[job], memory["train_3"]) == (64 * MIB, RAISED)


async def test_begun_step_is_finished_after_a_crash(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows may be there, and some of the jobs may have moved."""
    perform = StepExecutor.perform
    performed = []

    async def twice(self: StepExecutor, step: Step, *rest: object, **more: object) -> None:
        performed.append(step)
        if step is Step.ADJUST:
            await perform(self, step, *rest, **more)  # type: ignore[arg-type]
        await perform(self, step, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(StepExecutor, "perform", twice)
    async with open_site() as site:
        workflow_id = await failing(site)
        ended = await site.watch(workflow_id)
        memory = await memory_of(site, workflow_id)
        rows = await site.client.list_requirements(workflow_id)

    assert ended.verdict is Verdict.SUCCEEDED
    assert Step.ADJUST in performed
    assert memory["train_2"] == RAISED
    assert len({row.name for row in rows}) == len(rows)
