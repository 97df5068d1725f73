from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.assessment import WorkflowState
from torc_watch.core.cause import Cause
from torc_watch.core.recovery_round import Plan, Postponement, Refusal, RefusalKind, Retry, Wait
from torc_watch.core.units import GIB
from torc_watch.render.plan_text import plan_status, plan_text, plan_values

if TYPE_CHECKING:
    from torc_watch.render.plan_text import PlanResult

RESTART = Plan(
    workflow_id=42,
    run_id=1,
    number=1,
    retries=(),
    repeated=(),
    left_alone=(),
    adjustments=(),
    uninitialized=0,
    scheduler_config_id=1,
    allocations=(AllocationSpec(token="t", num_cpus=2, memory=GIB),),  # noqa: S106 - no password
)
LATER = Postponement(
    not_before=datetime(2026, 1, 1, tzinfo=UTC),
    until=datetime(2026, 1, 1, tzinfo=UTC),
    awaits_room=False,
    waits=(Wait(cause=Cause.NETWORK, jobs=1, not_before=datetime(2026, 1, 1, tzinfo=UTC)),),
    retries=(Retry(job_id=7, job_name="a", cause=Cause.NETWORK, reason=""),),
)
REFUSAL = Refusal(kind=RefusalKind.STUCK, reason="There is nothing to restart.")


@pytest.mark.parametrize(
    ("answer", "text", "status"),
    [
        (WorkflowState.FINISHED, "Every job of workflow 42 is completed", 0),
        (WorkflowState.WORKING, "Workflow 42 still has workers, or waits", 0),
        (WorkflowState.UNSTARTABLE, "of workflow 42 will never start: cancel them", 0),
        (WorkflowState.CANCELED, "Workflow 42 was canceled", 0),
        (WorkflowState.ARCHIVED, "Workflow 42 is archived", 0),
        (RESTART, "Submit an allocation with 2 CPUs and 1g\nNothing was changed.", 0),
        (LATER, " to run 1 job again: network unwell.\nTo run them at once: torc-watchd resume", 0),
        (REFUSAL, "There is nothing to restart.", 1),
    ],
)
def test_text_and_status_of_a_dry_run(answer: "PlanResult", text: str, status: int) -> None:
    assert text in "\n".join(plan_text(42, answer))
    assert plan_status(answer) == status


@pytest.mark.parametrize(("uninitialized", "runs"), [(0, []), (3, ["  Start run 2 with 3 jobs"])])
def test_run_is_started_only_for_jobs_to_initialize(uninitialized: int, runs: list[str]) -> None:
    lines = plan_text(42, replace(RESTART, uninitialized=uninitialized))
    assert [line for line in lines if "Start run" in line] == runs


def test_fixes_are_not_called_applied() -> None:
    raised = Retry(job_id=7, job_name="a", cause=Cause.OOM, reason="", memory=(GIB, 2 * GIB))
    lines = list(plan_text(42, replace(RESTART, retries=(raised,))))
    assert "  Fixes: 1 OOM, 0 timeout" in lines


def test_json_values_of_a_dry_run() -> None:
    assert plan_values(42, WorkflowState.FINISHED) == {
        "workflow_id": 42,
        "standing": "finished",
        "plan": None,
        "refusal": None,
        "postponement": None,
        "plan_id": None,
        "price": None,
        "proposal": None,
        "notes": [],
    }
    values = plan_values(42, RESTART)
    assert (values["standing"], values["plan"]["run_id"]) == ("needs_recovery", 1)
    assert plan_values(42, REFUSAL)["refusal"]["kind"] == "stuck"
