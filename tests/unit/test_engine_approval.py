"""Rounds that wait until the user has approved their plans."""

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.rigs.daemon import OOM
from tests.rigs.json_shapes import assert_documented
from torc_watch.app.plan_answers import held_watch_explained, waiting_plan
from torc_watch.core import events
from torc_watch.core.approval import PlanAnswer
from torc_watch.core.errors import RecordUnreadable, WatchHeld
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.plan_identity import plan_id
from torc_watch.core.recovery_round import ApprovalLimits, RecoverySettings
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import GIB
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.open_proposals import (
    OpenProposal,
    UnreadableProposal,
    open_proposals,
    waiting_proposals,
)
from torc_watch.daemon.watch_history import watches_of
from torc_watch.engine.database import Database
from torc_watch.engine.proposal_table import ProposalTable
from torc_watch.render.proposal_text import plans_values, proposal_table

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

APPROVE = RecoverySettings(approval=ApprovalLimits(always=True))


def answer(site: "Site", *, approves: bool, reason: str = "") -> None:
    """As another terminal does it."""
    (waiting,) = open_proposals(site.directory)
    database = Database(site.directory / "journal.db")
    given = PlanAnswer(approves=approves, by="ada@login1", at=datetime.now(UTC), reason=reason)
    assert ProposalTable(database).answer(waiting.proposal, given)
    database.close()


async def failed(site: "Site", *jobs: str) -> int:
    site.scheduler.endings = {name: [OOM] for name in jobs}
    return await site.submit([*jobs])


async def watch_for(
    site: "Site", workflow_id: int, seconds: float, recovery: RecoverySettings = APPROVE
) -> WatchEnded | None:
    """The verdict, None if the watch is killed before it has one."""
    with anyio.move_on_after(seconds):
        return await site.watch(workflow_id, recovery=recovery)
    return None


async def test_nothing_is_done_before_the_answer(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        assert await watch_for(site, workflow_id, 1500) is None
        (proposed,) = site.seen(events.PlanProposed)
        changes = [sent for sent in site.line.sent if sent[1] != "GET"]
        polls = [event for event in site.seen(events.Polled) if event.waiting]
        after = [at for at, *_ in changes if at > 200]

    assert proposed.plan.retries[0].memory
    assert proposed.price.memory_factor == 1.5
    assert proposed.reason == "every plan needs approval (--approve)"
    assert proposed.waiting.plan_id == proposed.plan_id
    assert len(polls) > 8
    assert not after
    assert not site.seen(events.RecoveryPlanned)


async def test_approved_plan_is_carried_out_at_once(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")

        async def approve() -> None:
            await anyio.sleep(3600)
            answer(site, approves=True, reason="go")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(approve)
            ended = await site.watch(workflow_id, recovery=APPROVE, poll_interval=1800)
        changes = [at for at, method, _ in site.line.sent if method != "GET" and at >= 3600]
        (watch,) = watches_of(site.directory, workflow_id)

    assert ended.verdict is Verdict.SUCCEEDED
    assert changes[0] < 3610  # long before the next poll
    (approved,) = site.seen(events.PlanApproved)
    assert (approved.by, approved.reason) == ("ada@login1", "go")
    assert [each.outcome for each in watch.rounds] == ["proposed", "resubmitted"]
    assert [each.outcome for each in watch.proposals] == ["carried_out"]
    assert not open_proposals(site.directory)


async def test_rejection_hands_over_with_the_reason(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await watch_for(site, workflow_id, 300)
        answer(site, approves=False, reason="too large")
        ended = await watch_for(site, workflow_id, 300)

    assert ended is not None
    assert ended.verdict is Verdict.HANDED_OVER
    assert ended.reason.endswith("was rejected by ada@login1: too large")
    assert not open_proposals(site.directory)
    assert not site.seen(events.RecoveryPlanned)


async def test_plan_of_another_version_is_shown_as_unreadable(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await watch_for(site, workflow_id, 300)
        (of_other_version,) = waiting_proposals(site.directory)
        with closing(Database(site.directory / "journal.db")) as database:
            database.write("UPDATE proposal SET plan = ?", '{"jobs": []}')

        assert not open_proposals(site.directory)
        (waiting,) = waiting_proposals(site.directory)
        assert isinstance(waiting, UnreadableProposal)
        assert isinstance(of_other_version, OpenProposal)
        plan_id = of_other_version.proposal.plan_id
        _, row, how_to = proposal_table([waiting])
        assert row.split()[:2] == [str(workflow_id), plan_id]
        assert "proposed by another version of torc-watchd" in how_to
        values = json.loads(json.dumps({"version": 1, **plans_values([waiting, of_other_version])}))
        assert_documented("plans", values)
        with pytest.raises(RecordUnreadable, match="Answer it with that version"):
            waiting_plan(site.directory, workflow_id, None)

        await watch_for(site, workflow_id, 300)  # as if this version continued the watch
        (again,) = open_proposals(site.directory)
        assert again.proposal.plan_id == plan_id


async def test_user_who_asks_for_the_round_is_told_to_approve_it(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await watch_for(site, workflow_id, 300)
        (waiting,) = open_proposals(site.directory)

        def refused(key: WorkflowKey) -> str:
            with pytest.raises(WatchHeld) as found, held_watch_explained(site.directory, key):
                raise WatchHeld("It is watched.")
            return str(found.value)

        assert refused(waiting.key).endswith(f"approval: torc-watchd approve {workflow_id}")
        assert refused(waiting.key._replace(workflow_id=99)) == "It is watched."
        answer(site, approves=True)
        assert refused(waiting.key) == "It is watched."


async def test_approval_survives_the_process(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        for _ in range(3):
            await watch_for(site, workflow_id, 300)
        proposals = site.seen(events.PlanProposed)
        awaited = site.seen(events.ApprovalAwaited)
        answer(site, approves=True)
        ended = await watch_for(site, workflow_id, 3000)

    assert len(proposals) == 1
    assert [each.plan_id for each in awaited] == [proposals[0].plan_id] * 2
    assert ended is not None
    assert ended.verdict is Verdict.SUCCEEDED
    assert len(site.seen(events.RecoveryPlanned)) == 1


async def test_waiting_uses_no_retry(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        limits = RecoverySettings(max_retries=1, approval=ApprovalLimits(always=True))
        for _ in range(4):
            await watch_for(site, workflow_id, 300, limits)
        answer(site, approves=True)
        ended = await watch_for(site, workflow_id, 3000, limits)

    assert ended is not None
    assert ended.verdict is Verdict.SUCCEEDED


async def test_answer_to_a_plan_that_changed_changes_nothing(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await watch_for(site, workflow_id, 300)
        first = site.seen(events.PlanProposed)[0]
        answer(site, approves=True)
        more = RecoverySettings(
            sizing=SizingPolicy.FIXED, memory_multiplier=2, approval=ApprovalLimits(always=True)
        )
        assert await watch_for(site, workflow_id, 300, more) is None
        second = site.seen(events.PlanProposed)[1]
        (waiting,) = open_proposals(site.directory)
        (watch,) = watches_of(site.directory, workflow_id)

    assert second.replaces == first.plan_id != second.plan_id
    assert waiting.proposal.plan_id == second.plan_id
    assert waiting.proposal.answer is None
    assert [each.outcome for each in watch.proposals] == ["replaced", None]
    assert not site.seen(events.RecoveryPlanned)


@pytest.mark.parametrize(
    ("limits", "is_asked"),
    [
        (ApprovalLimits(jobs=1), True),
        (ApprovalLimits(jobs=2), False),
        (ApprovalLimits(memory_factor=1.4), True),
        (ApprovalLimits(memory_factor=1.5), False),
        (ApprovalLimits(node_hours=0), False),  # this machine costs none
    ],
    ids=str,
)
async def test_only_plans_above_a_limit_wait(
    open_site: "OpenSite", limits: ApprovalLimits, *, is_asked: bool
) -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a", "b")
        ended = await watch_for(site, workflow_id, 1000, RecoverySettings(approval=limits))

    assert bool(site.seen(events.PlanProposed)) == is_asked
    assert (ended is None) == is_asked


async def test_approval_that_is_no_longer_needed_is_not_awaited(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await watch_for(site, workflow_id, 300)
        ended = await watch_for(site, workflow_id, 1000, RecoverySettings())

    assert ended is not None
    assert ended.verdict is Verdict.SUCCEEDED
    assert not open_proposals(site.directory)


async def test_first_of_two_answers_counts(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await watch_for(site, workflow_id, 300)
        answer(site, approves=True)
        answer(site, approves=False)
        ended = await watch_for(site, workflow_id, 3000)

    assert ended is not None
    assert ended.verdict is Verdict.SUCCEEDED
    assert len(site.seen(events.RecoveryPlanned)) == 1


async def test_round_that_a_user_asks_for_waits_for_nothing(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await watch_for(site, workflow_id, 300)
        recovered = await site.watch(workflow_id, recovery=APPROVE, once=True)

    assert recovered.verdict is Verdict.RESUBMITTED
    assert not open_proposals(site.directory)


@pytest.mark.parametrize(
    "asked",
    [
        {"only_plan": "00000000", "recovery": RecoverySettings()},
        {"recovery": RecoverySettings(choice=JobChoice(jobs=("a",), memory=GIB))},
    ],
    ids=["plan", "jobs"],
)
async def test_round_that_was_cut_off_is_not_taken_for_another(
    open_site: "OpenSite", asked: dict[str, Any]
) -> None:
    async with open_site() as site:
        workflow_id = await failed(site, "a")
        await site.scheduler.rest()
        site.scheduler.seconds_to_submit = {1: 10_000.0}
        assert await watch_for(site, workflow_id, 3000, RecoverySettings()) is None
        site.scheduler.seconds_to_submit = {}
        before = len(site.line.sent)
        refused = await site.watch(workflow_id, once=True, **asked)
        sent = site.line.sent[before:]
        (begun,) = [event.plan for event in site.seen(events.RecoveryPlanned)]
        workflow = await site.client.get_workflow(workflow_id)
        number = plan_id(
            begun, server=site.client.transport.connection.url, created=workflow.created
        )
        continued = await site.watch(workflow_id, once=True, only_plan=number)

    assert refused.verdict is Verdict.PLAN_CHANGED
    assert f"with another plan, {number}, began and did not end" in refused.reason
    assert all(method == "GET" for _, method, _ in sent)
    assert continued.verdict is Verdict.RESUBMITTED
    assert len(site.seen(events.RecoveryContinued)) == 1
