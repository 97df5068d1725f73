"""Which canceled allocations hand a workflow over."""

from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.cancellation import canceled_since
from torc_watch.core.model import Allocation

_WATCHED = datetime(2026, 1, 1, 12, 0, 0, 700_000, tzinfo=UTC)
_ALLOCATION = Allocation(
    id=1,
    scheduler_id=7,
    scheduler_config_id=1,
    scheduler_type="slurm",
    status="active",
)


@pytest.mark.parametrize(
    ("cause", "ended", "counts"),
    [
        (EndCause.CANCELED, _WATCHED + timedelta(seconds=1), True),
        (EndCause.CANCELED, None, True),
        # Slurm leaves out the fraction of a second, so this may have been after the watch began.
        (EndCause.CANCELED, _WATCHED.replace(microsecond=0), True),
        (EndCause.CANCELED, _WATCHED - timedelta(seconds=1), False),
        (EndCause.PREEMPTED, _WATCHED + timedelta(seconds=1), False),
    ],
)
def test_user_who_cancels_after_the_start_of_the_watch_means_it(
    *, cause: EndCause, ended: datetime | None, counts: bool
) -> None:
    status = AllocationStatus(state=AllocationState.GONE, cause=cause, ended=ended)

    assert bool(canceled_since([(_ALLOCATION, status)], _WATCHED)) is counts
