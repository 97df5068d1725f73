"""Reservations of nodes as ``scontrol show reservation`` prints them. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from torc_watch.planner.cluster_description import Reservation
from torc_watch.schedulers.slurm.control_record import listed, parse_records
from torc_watch.schedulers.slurm.limit_text import read_count
from torc_watch.schedulers.slurm.node_names import node_names
from torc_watch.schedulers.slurm.node_record import NodeRecord

RESERVATIONS_COMMAND = ("scontrol", "--oneliner", "show", "reservation")
_NO_RESERVATIONS = "No reservations in the system"


def parse_reservations(text: str, nodes: Sequence[NodeRecord]) -> tuple[Reservation, ...]:
    """Those that keep nodes, also if only some of their cores. Times are seconds of the epoch.

    Raises SchedulerUnreachable if the answer is not complete.
    """
    partitions = {node.name: node.partitions for node in nodes}
    return tuple(
        reservation
        for fields in parse_records(text, "ReservationName", none=_NO_RESERVATIONS)
        if (reservation := _reservation(fields, partitions)) is not None
    )


def _reservation(
    fields: Mapping[str, str], partitions: Mapping[str, tuple[str, ...]]
) -> Reservation | None:
    begins, ends = (read_count(fields.get(name, "")) for name in ("StartTime", "EndTime"))
    names = node_names(",".join(listed(fields.get("Nodes", ""))))
    if begins is None or ends is None or not names:
        return None
    return Reservation(
        name=fields["ReservationName"],
        begins=datetime.fromtimestamp(begins, UTC),
        ends=datetime.fromtimestamp(ends, UTC),
        is_maintenance="MAINT" in listed(fields.get("Flags", "")),
        nodes=Counter(partition for name in names for partition in partitions.get(name, ())),
    )
