"""How long allocations may run before maintenance takes the nodes."""

from collections.abc import Iterator
from datetime import datetime

from torc_watch.core.units import duration_text
from torc_watch.planner.allocation_time import MINUTE
from torc_watch.planner.cluster_description import ClusterDescription, Partition, Reservation
from torc_watch.planner.limits import Bound, strictest

# An allocation does not start in the moment in which it is planned.
_DELAY = 2 * MINUTE


def time_left(cluster: ClusterDescription, partition: Partition, now: datetime) -> Bound | None:
    """Whole minutes, in seconds, until a reservation has all nodes; 0 if it has them already.

    None where there is none.
    """
    return strictest(_times_left(cluster, partition, now))


def _times_left(
    cluster: ClusterDescription, partition: Partition, now: datetime
) -> Iterator[Bound]:
    nodes = sum(node.count for node in partition.kinds)
    for each in cluster.reservations:
        if each.ends > now and each.nodes.get(partition.name, 0) >= max(1, nodes):
            left = max(0, int((each.begins - now).total_seconds()) - _DELAY)
            yield Bound(left // MINUTE * MINUTE, _text(each, now))


def _text(reservation: Reservation, now: datetime) -> str:
    kind = "maintenance" if reservation.is_maintenance else "reservation"
    if reservation.begins <= now:
        return f"{kind} {reservation.name}, which has begun"
    in_time = duration_text((reservation.begins - now).total_seconds())
    return f"{kind} {reservation.name}, which begins in {in_time}"
