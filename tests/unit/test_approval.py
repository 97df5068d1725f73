"""Which plans the user has to approve, and what an answer means."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.unit.test_plan_identity import PLAN
from torc_watch.core.approval import (
    Clearance,
    PlanAnswer,
    Proposal,
    clearance,
    reason_to_ask,
    rejection,
)
from torc_watch.core.plan_price import PlanPrice
from torc_watch.core.recovery_round import ApprovalLimits

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PRICE = PlanPrice(jobs=12, allocations=2, node_hours=40.0, memory_factor=2.0)
LOCAL = replace(PRICE, node_hours=None)
PROPOSAL = Proposal(
    id=1, plan_id="7f3a2c1b", plan=PLAN, starts_at=None, reason="why", proposed_at=NOON
)
YES = PlanAnswer(approves=True, by="ada@login1", at=NOON)
NO = replace(YES, approves=False, reason="too large")


@pytest.mark.parametrize(
    ("price", "limits", "reason"),
    [
        (PRICE, ApprovalLimits(), ""),
        (PRICE, ApprovalLimits(always=True), "every plan needs approval (--approve)"),
        (PRICE, ApprovalLimits(node_hours=39.5), "more than 39.5 node hours"),
        (PRICE, ApprovalLimits(node_hours=40), ""),
        (LOCAL, ApprovalLimits(node_hours=0), ""),
        (PRICE, ApprovalLimits(jobs=11), "more than 11 jobs"),
        (PRICE, ApprovalLimits(jobs=12), ""),
        (PRICE, ApprovalLimits(memory_factor=1.5), "memory of a job x 2, more than 1.5"),
        (PRICE, ApprovalLimits(memory_factor=2), ""),
        (
            PRICE,
            ApprovalLimits(node_hours=1, jobs=1),
            "more than 1 node hours, more than 1 jobs",
        ),
    ],
    ids=str,
)
def test_reason_to_ask(price: PlanPrice, limits: ApprovalLimits, reason: str) -> None:
    assert reason_to_ask(price, limits) == reason


@pytest.mark.parametrize(
    ("reason", "proposal", "expected"),
    [
        ("", None, Clearance.GO),
        ("", PROPOSAL, Clearance.GO),
        ("", replace(PROPOSAL, answer=NO), Clearance.GO),
        ("why", None, Clearance.PROPOSE),
        ("why", PROPOSAL, Clearance.WAIT),
        ("why", replace(PROPOSAL, answer=YES), Clearance.GO),
        ("why", replace(PROPOSAL, answer=NO), Clearance.REJECTED),
        ("why", replace(PROPOSAL, plan_id="00000000"), Clearance.PROPOSE),
        ("why", replace(PROPOSAL, plan_id="00000000", answer=YES), Clearance.PROPOSE),
        ("why", replace(PROPOSAL, plan_id="00000000", answer=NO), Clearance.PROPOSE),
    ],
)
def test_answer_counts_for_the_plan_that_was_shown(
    reason: str, proposal: Proposal | None, expected: Clearance
) -> None:
    assert clearance("7f3a2c1b", reason, proposal) is expected


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (NO, "Plan 7f3a2c1b was rejected by ada@login1: too large"),
        (replace(NO, reason=""), "Plan 7f3a2c1b was rejected by ada@login1"),
    ],
)
def test_rejection_says_by_whom_and_why(answer: PlanAnswer, text: str) -> None:
    assert rejection(PROPOSAL, answer) == text


def test_published_plan_has_its_price_and_a_phrase() -> None:
    published = replace(PROPOSAL, starts_at=NOON).published()
    assert published.starts_at == "2026-11-30T12:00:00+00:00"
    assert published.phrase == "for approval of plan 7f3a2c1b: 4 jobs, at most 3.0 node hours"
    local = replace(published, node_hours=None, jobs=1)
    assert local.phrase == "for approval of plan 7f3a2c1b: 1 job, no node hours"
    assert replace(published, node_hours=318.4).phrase.endswith("at most 318 node hours")
