"""Rounds of recovery, from the failure of jobs to the verdict on their workflow."""

from typing import TYPE_CHECKING, Any

import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationShape, NodeClass
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.units import GIB, MIB

if TYPE_CHECKING:
    from tests.conftest import OpenSite

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)
TIMEOUT = (152, None, 60.0)
UNKNOWN = (1, None, 10.0)
FOREVER = 99
HUNGRY = ["train_7", "train_12", "train_23", "train_31", "train_45"]
NAMES = [f"train_{number}" for number in range(1, 101)]


async def test_tutorial(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {name: [OOM] for name in HUNGRY}
        workflow_id = await site.submit(NAMES, allocations=2)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        asked = await site.requirements(workflow_id)
        assert {name for name, row in asked.items() if row.memory == 96 * MIB} == set(HUNGRY)
        assert {row.memory for name, row in asked.items() if name not in HUNGRY} == {64 * MIB}
        rows = {row.name for row in await site.client.list_requirements(workflow_id)}
        assert rows == {"default", "small", "small.run2.96m.PT1M"}
        assert await site.results(workflow_id) == sorted(
            [(name, 1, 137 if name in HUNGRY else 0) for name in NAMES]
            + [(name, 2, 0) for name in HUNGRY]
        )
        routine = (events.Polled, events.AllocationsCounted)
        told = [event for event in site.events if not isinstance(event, routine)]
        assert [type(event).__name__ for event in told] == [
            "WatchStarted",
            "WorkflowComplete",
            "WorkflowFailed",
            "RecoveryAttempted",
            "DiagnosisStarted",
            "FailuresDiagnosed",
            "RecoveryPlanned",
            "ResetStarted",
            "SubmissionStarted",
            "AllocationSubmitted",
            "RecoveryInitiated",
            "WatchStarted",
            "WorkflowComplete",
            "WorkflowSucceeded",
            "WatchEnded",
        ]


@pytest.mark.parametrize(
    ("endings", "recovery", "verdict", "rounds"),
    [
        ([OOM], None, Verdict.FAILED, 0),
        ([OOM], RecoverySettings(max_retries=0), Verdict.EXHAUSTED, 0),
        ([OOM], RecoverySettings(max_retries=1), Verdict.SUCCEEDED, 1),
        ([TIMEOUT, OOM, UNKNOWN], RecoverySettings(), Verdict.SUCCEEDED, 3),
        ([UNKNOWN] * FOREVER, RecoverySettings(max_retries=2), Verdict.EXHAUSTED, 2),
        ([UNKNOWN], RecoverySettings(retry_unknown=False), Verdict.HANDED_OVER, 0),
    ],
)
async def test_verdict(
    open_site: "OpenSite",
    endings: list[Any],
    recovery: RecoverySettings | None,
    verdict: Verdict,
    rounds: int,
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": endings}
        workflow_id = await site.submit(["prepare", "train"])

        ended = await site.watch(workflow_id, recovery=recovery)

        assert ended.verdict is verdict
        assert len(site.seen(events.RecoveryInitiated)) == rounds
        assert len(site.scheduler.requests) == 1 + rounds
        runs = [run for name, run, _ in await site.results(workflow_id) if name == "train"]
        assert runs == list(range(1, rounds + 2))


async def test_watch_without_recovery_changes_nothing(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [OOM]}
        workflow_id = await site.submit(["train"])

        await site.watch(workflow_id, recovery=None)

        assert {method for _, method, _ in site.line.sent} == {"GET"}


async def test_timeout_gets_more_time_and_no_more_memory(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [TIMEOUT]}
        workflow_id = await site.submit(["train"])

        await site.watch(workflow_id)

        row = (await site.requirements(workflow_id))["train"]
        assert (row.memory, row.runtime) == (64 * MIB, 120)


async def test_allocations_are_like_the_last_ones(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [OOM]}
        workflow_id = await site.submit(["train"])
        row_id = await site.client.create_scheduler_config(
            workflow_id,
            "local",
            name="large",
            shape=AllocationShape(num_cpus=3, memory=2 * GIB),
        )

        await site.watch(workflow_id)

        request = site.scheduler.requests[-1]
        assert request.work.scheduler_config_id == row_id
        assert (request.spec.num_cpus, request.spec.memory) == (3, 2 * GIB)
        assert request.work.output_dir == site.directory


async def test_memory_is_never_lowered(open_site: "OpenSite") -> None:
    """A peak is what sampling caught: the second one is below what was asked for before."""
    async with open_site() as site:
        site.scheduler.endings = {
            "train": [(137, 256 * MIB, 10.0), (137, 20 * MIB, 10.0), (137, None, 10.0)]
        }
        workflow_id = await site.submit(["train"])

        await site.watch(workflow_id)

        plans = [event.plan for event in site.seen(events.RecoveryPlanned)]
        raises = [retry.memory for plan in plans for retry in plan.retries]
        assert raises == [(64 * MIB, 384 * MIB), (384 * MIB, 768 * MIB), (768 * MIB, 3 * GIB)]
        assert (await site.requirements(workflow_id))["train"].memory == 3 * GIB


async def test_at_the_cap_it_is_handed_over(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.nodes = (NodeClass(num_cpus=10, memory=80 * MIB),)
        site.scheduler.endings = {"train": [OOM] * FOREVER, "other": [UNKNOWN]}
        workflow_id = await site.submit(["train", "other"])

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.HANDED_OVER
        assert [exhibit.job_name for exhibit in ended.evidence] == ["train"]
        assert "80m" in ended.evidence[0].reason
        assert (await site.requirements(workflow_id))["train"].memory == 80 * MIB
        assert len(site.seen(events.RecoveryInitiated)) == 1


async def test_skipped_failure_says_why(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [UNKNOWN]}
        workflow_id = await site.submit(["train"])

        ended = await site.watch(workflow_id, recovery=RecoverySettings(retry_unknown=False))

        assert [exhibit.job_name for exhibit in ended.evidence] == ["train"]
        assert "exit code 1" in ended.evidence[0].reason


async def test_canceled_dependents_run_again(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"parent": [OOM]}
        workflow_id = await site.submit(
            ["parent", "bystander", "child", "grandchild"],
            after={"child": "parent", "grandchild": "child"},
        )

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        failed = site.seen(events.WorkflowFailed)[0].counts
        assert failed.of(JobStatus.CANCELED) == 2
        assert await site.results(workflow_id) == [
            ("bystander", 1, 0),
            ("child", 2, 0),
            ("grandchild", 2, 0),
            ("parent", 1, 137),
            ("parent", 2, 0),
        ]
