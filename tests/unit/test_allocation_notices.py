"""What a watch tells of its allocations."""

from datetime import UTC, datetime

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.assessment import Observation
from torc_watch.core.model import Allocation, Workflow
from torc_watch.engine.allocation_notices import allocations_counted

WORKFLOW = Workflow(
    id=42, name="w", user="u", created="c", run_id=1, is_canceled=False, is_archived=False
)
ALIVE = AllocationStatus(state=AllocationState.ALIVE)
BEGAN = AllocationStatus(state=AllocationState.ALIVE, began=datetime(2026, 1, 1, tzinfo=UTC))
HELD = AllocationStatus(state=AllocationState.ALIVE, detail="is held\nmore")
OTHERS = [AllocationStatus(state=AllocationState.ALIVE, detail=f"reason {n}") for n in range(5)]
GONE = AllocationStatus(state=AllocationState.GONE, detail="failed")
UNKNOWN = AllocationStatus(state=AllocationState.UNKNOWN, detail="no answer")


@pytest.mark.parametrize(
    ("seen", "counted", "details"),
    [
        ([], (0, 0, 0), ()),
        ([("pending", ALIVE), ("pending", ALIVE), ("pending", BEGAN)], (1, 2, 0), ()),
        ([("active", ALIVE), ("pending", GONE)], (1, 0, 0), ()),
        ([("active", UNKNOWN), ("active", HELD)], (1, 0, 1), ()),
        ([("pending", HELD), ("pending", HELD)], (0, 2, 0), ("is held",)),
        ([("pending", each) for each in OTHERS], (0, 5, 0), ("reason 0", "reason 1", "reason 2")),
    ],
)
def test_allocations_are_counted(
    seen: list[tuple[str, AllocationStatus]],
    counted: tuple[int, int, int],
    details: tuple[str, ...],
) -> None:
    rows = tuple(
        (
            Allocation(
                id=number,
                scheduler_id=number,
                scheduler_config_id=1,
                scheduler_type="slurm",
                status=status,
            ),
            known,
        )
        for number, (status, known) in enumerate(seen)
    )
    observation = Observation(workflow=WORKFLOW, counts=None, allocations=rows)
    found = allocations_counted(42, observation)
    assert (found.running, found.queued, found.unclear) == counted
    assert found.details == details
