"""What a watch tells of allocations that keep it waiting: each of it once."""

from collections import Counter
from collections.abc import Iterator

import anyio

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.assessment import Observation
from torc_watch.core.events import Event
from torc_watch.core.model import Allocation
from torc_watch.engine.messages import Watch

# Seconds for which it may be unknown whether an allocation has ended: accounting is always late.
_UNCLEAR_AFTER = 60.0

# One round alone waits as long: longer than accounting takes for an end, such as that of an
# allocation that its user has just canceled, and than the usual interval of status queries.
_KNOWN_WITHIN = 45.0

_MOST_DETAILS = 3

_Known = tuple[Allocation, AllocationStatus]


def allocation_notices(watch: Watch, observation: Observation) -> Iterator[Event]:
    """Of what an observation shows; ``watch`` remembers what was told."""
    yield from _unstartable(watch, observation)
    yield from _waiting(watch, observation)
    yield from _unclear(watch, observation)


def allocations_counted(workflow_id: int, observation: Observation) -> events.AllocationsCounted:
    """A queued one has no begin, where its scheduler knows begins, and no worker yet."""
    numbers = Counter(_standing(*each) for each in observation.allocations)
    details = [
        status.detail.partition("\n")[0]
        for allocation, status in observation.allocations
        if status.detail and _standing(allocation, status) == "queued"
    ]
    return events.AllocationsCounted(
        workflow_id=workflow_id,
        running=numbers["running"],
        queued=numbers["queued"],
        unclear=numbers["unclear"],
        details=tuple(sorted(dict.fromkeys(details))[:_MOST_DETAILS]),
    )


def _standing(allocation: Allocation, status: AllocationStatus) -> str:
    match status.state:
        case AllocationState.GONE:
            return "gone"
        case AllocationState.UNKNOWN:
            return "unclear"
        case AllocationState.ALIVE if status.began or allocation.status == "active":
            return "running"
        case _:
            return "queued"


def may_soon_be_known(watch: Watch, observation: Observation) -> bool:
    """Whether only allocations are left that may have ended, and that for no long time."""
    states = {status.state for _, status in observation.allocations}
    if AllocationState.ALIVE in states or watch.unclear_since is None:
        return False
    return anyio.current_time() - watch.unclear_since < _KNOWN_WITHIN


def _unstartable(watch: Watch, observation: Observation) -> Iterator[Event]:
    for allocation, status in observation.never_starting:
        if allocation.id not in watch.unstartable:
            watch.unstartable |= {allocation.id}
            yield events.AllocationUnstartable(
                workflow_id=watch.workflow_id,
                scheduler=allocation.scheduler_type,
                scheduler_id=allocation.scheduler_id,
                status=status,
            )


def _waiting(watch: Watch, observation: Observation) -> Iterator[Event]:
    """Hundreds of allocations wait for few reasons."""
    waiting = [
        each
        for each in _with_detail(observation, AllocationState.ALIVE)
        if not each[1].never_starts
    ]
    details = dict.fromkeys(status.detail for _, status in waiting)
    for detail in details.keys() - watch.told:
        watch.told |= {detail}
        yield events.AllocationsWaiting(
            workflow_id=watch.workflow_id,
            scheduler_ids=_numbers(each for each in waiting if each[1].detail == detail),
            detail=detail,
        )


def _unclear(watch: Watch, observation: Observation) -> Iterator[Event]:
    unclear = [
        each
        for each in _with_detail(observation, AllocationState.UNKNOWN)
        if not each[1].silent_nodes  # told by another event
    ]
    now = anyio.current_time()
    if not unclear:
        watch.unclear_since, watch.has_told_unclear = None, False
        return
    if watch.unclear_since is None:
        watch.unclear_since = now
    patience = 0.0 if watch.request.once else _UNCLEAR_AFTER
    if now - watch.unclear_since < patience or watch.has_told_unclear:
        return
    watch.has_told_unclear = True
    yield events.AllocationsUnclear(
        workflow_id=watch.workflow_id,
        scheduler_ids=_numbers(iter(unclear)),
        detail=unclear[0][1].detail,
    )


def _with_detail(observation: Observation, state: AllocationState) -> list[_Known]:
    return [each for each in observation.allocations if each[1].state is state and each[1].detail]


def _numbers(allocations: Iterator[_Known]) -> tuple[int, ...]:
    return tuple(allocation.scheduler_id for allocation, _ in allocations)
