"""Allocations as users read them in `plan`, `history` and `status`."""

from datetime import UTC, datetime

import pytest

from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    EndCause,
)
from torc_watch.core.model import Allocation, JobCounts
from torc_watch.core.units import GIB
from torc_watch.render.time_text import local_time
from torc_watch.render.transcript import allocation_texts
from torc_watch.render.workflow_report import live_text

_BEGAN = datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC)


def spec(
    token: str, *, runtime: int | None = None, options: tuple[str, ...] = ()
) -> AllocationSpec:
    return AllocationSpec(token=token, num_cpus=4, memory=2 * GIB, runtime=runtime, options=options)


def test_allocations_that_are_alike_are_counted() -> None:
    options = ("--account=project", "--partition=debug")
    alike = [spec(f"tw1-{place}", runtime=360, options=options) for place in range(3)]

    assert list(allocation_texts([spec("local"), *alike])) == [
        "an allocation with 4 CPUs and 2g",
        "3 allocations with 4 CPUs and 2g for 6 min (--account=project --partition=debug)",
    ]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (AllocationStatus(state=AllocationState.ALIVE), "alive; waits for its turn"),
        (
            AllocationStatus(state=AllocationState.ALIVE, began=_BEGAN),
            f"alive since {local_time(_BEGAN.isoformat())}",
        ),
        (
            AllocationStatus(
                state=AllocationState.ALIVE, detail="cannot start now (PartitionDown)"
            ),
            "alive; cannot start now (PartitionDown)",
        ),
        (
            AllocationStatus(
                state=AllocationState.GONE, cause=EndCause.TIME_LIMIT, detail="Slurm state\nlog"
            ),
            "gone, time limit; Slurm state",
        ),
    ],
)
def test_open_allocation_has_what_the_scheduler_says(status: AllocationStatus, text: str) -> None:
    row = Allocation(
        id=1, scheduler_id=7, scheduler_config_id=1, scheduler_type="slurm", status="pending"
    )

    lines = list(live_text(JobCounts({}), [(row, status)], []))

    assert lines[-1] == f"  Slurm 7: pending, {text}"
