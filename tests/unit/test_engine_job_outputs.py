"""Rounds of recovery for jobs whose output says why they failed."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import pytest

from torc_watch.core import events
from torc_watch.core.cause import Cause
from torc_watch.core.events import Event, Verdict
from torc_watch.core.job_output import stdio_name
from torc_watch.core.recovery_round import Plan, RecoverySettings

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

T = TypeVar("T", bound=Event)
FAILURE = (1, None, 10.0)
INPUT = "FileNotFoundError: [Errno 2] No such file or directory: 'in.csv'\n"
CODE = "KeyError: 'price'\n"
MODULE = "ModuleNotFoundError: No module named 'pandas'\n"


def write(folder: Path, workflow_id: int, job_id: int, run_id: int, text: str) -> None:
    name = stdio_name(workflow_id=workflow_id, job_id=job_id, run_id=run_id, attempt=1, stream="e")
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def plans(site: "Site") -> list[Plan]:
    return [event.plan for event in site.seen(events.RecoveryPlanned)]


async def test_storm_of_an_error_costs_one_retry(open_site: "OpenSite") -> None:
    names = [f"train_{number}" for number in range(5)]
    async with open_site() as site:
        site.scheduler.endings = {name: [FAILURE] * 9 for name in names}
        workflow_id = await site.submit(names)
        for run_id in (1, 2):
            for job_id in range(1, 6):
                write(site.directory, workflow_id, job_id, run_id, MODULE)
        ended = await site.watch(workflow_id)

    (plan,) = plans(site)
    assert [(each.job_id, each.cause) for each in plan.retries] == [(1, Cause.ENVIRONMENT)]
    assert ended.verdict is Verdict.HANDED_OVER
    assert [each.reason.partition(": ")[0] for each in ended.evidence] == (
        ["a Python module is missing"] * 5
    )


async def test_others_of_a_storm_follow_the_one_that_succeeded(open_site: "OpenSite") -> None:
    names = [f"train_{number}" for number in range(5)]
    async with open_site() as site:
        site.scheduler.endings = {name: [FAILURE] for name in names}
        workflow_id = await site.submit(names)
        for job_id in range(1, 6):
            write(site.directory, workflow_id, job_id, 1, MODULE)
        ended = await site.watch(workflow_id)

    assert [[each.job_id for each in plan.retries] for plan in plans(site)] == [[1], [2, 3, 4, 5]]
    assert ended.verdict is Verdict.SUCCEEDED


@pytest.mark.parametrize(
    ("text", "cause"),
    [(MODULE, Cause.ENVIRONMENT), (INPUT, Cause.INPUT), (CODE, Cause.CODE)],
)
@pytest.mark.parametrize("succeeds", [True, False])
async def test_storm_over_restarts_and_changed_options(
    open_site: "OpenSite", text: str, cause: Cause, *, succeeds: bool
) -> None:
    """Each process of the watch lives for a minute, with other options than the one before."""
    names = [f"train_{number}" for number in range(5)]
    long = (1, None, 100.0)
    async with open_site() as site:
        site.scheduler.endings = {name: [long] * 9 for name in names}
        if succeeds:
            site.scheduler.endings[names[0]] = [long]
        workflow_id = await site.submit(names)
        for run_id in (1, 2, 3, 4):
            for job_id in range(1, 6):
                write(site.directory, workflow_id, job_id, run_id, text)
        ended = None
        for retries in range(4, 60):
            with anyio.move_on_after(70):
                settings = RecoverySettings(max_retries=retries)
                ended = await site.watch(workflow_id, recovery=settings)
                break

    made = [[(each.job_id, each.cause) for each in plan.retries] for plan in plans(site)]
    others = [[(number, cause) for number in (2, 3, 4, 5)]] if succeeds else []
    assert made == [[(1, cause)], *others]
    assert ended is not None
    assert ended.verdict is Verdict.HANDED_OVER


async def test_error_that_shows_after_another_is_not_tried_again(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [FAILURE] * 9}
        workflow_id = await site.submit(["train"])
        write(site.directory, workflow_id, 1, 1, MODULE)
        write(site.directory, workflow_id, 1, 2, CODE)
        ended = await site.watch(workflow_id)

    assert [plan.retries[0].cause for plan in plans(site)] == [Cause.ENVIRONMENT]
    assert ended.verdict is Verdict.HANDED_OVER


async def test_memory_is_raised_for_what_the_output_says(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [FAILURE]}
        workflow_id = await site.submit(["train"])
        write(site.directory, workflow_id, 1, 1, "MemoryError\n")
        ended = await site.watch(workflow_id)

    (plan,) = plans(site)
    assert [(each.cause, each.memory is not None) for each in plan.retries] == [(Cause.OOM, True)]
    assert ended.verdict is Verdict.SUCCEEDED


async def test_restart_remembers_what_was_tried(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [(1, None, 500.0)] * 9}
        workflow_id = await site.submit(["train"])
        for run_id in (1, 2, 3):
            write(site.directory, workflow_id, 1, run_id, MODULE)
        with anyio.move_on_after(800):
            await site.watch(workflow_id)
        assert len(plans(site)) == 1
        ended = await site.watch(workflow_id)

    assert len(plans(site)) == 1
    assert ended.verdict is Verdict.HANDED_OVER
