"""The most of memory or run time that a job can request."""

from collections.abc import Sequence
from dataclasses import dataclass

from torc_watch.core.allocation import NodeClass
from torc_watch.core.kind_history import SizedResource
from torc_watch.core.model import Job, Requirements
from torc_watch.core.node_classes import (
    class_with_longest_runtime,
    class_with_most_memory,
    lack_reason,
)
from torc_watch.core.retry_decision import beyond_memory, beyond_runtime
from torc_watch.core.scheduler_rows import SchedulerRows


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCap:
    """Bytes or seconds, None without a limit; ``reason`` says why more cannot be requested."""

    amount: int | None
    reason: str


def request_cap(
    resource: SizedResource,
    job: Job,
    asked: Requirements | None,
    rows: SchedulerRows,
    *,
    above: int,
) -> RequestCap | None:
    """That of the nodes of the job's row, or with those of further partitions if it is not
    ``above``. None where no node can run the job as it is.
    """
    row = rows.row_of(job)
    own = rows.nodes_for(row)
    if asked is None or not own:
        return None
    cap = _cap(resource, asked, own)
    if cap is not None and (cap.amount is None or cap.amount > above):
        return cap
    others = rows.others_for(row)
    return _cap(resource, asked, (*own, *others)) if others else cap


def _cap(
    resource: SizedResource, asked: Requirements, nodes: Sequence[NodeClass]
) -> RequestCap | None:
    if lack_reason(asked, nodes):
        return None
    if resource is SizedResource.MEMORY:
        node = class_with_most_memory(asked, nodes)
        return RequestCap(amount=node.memory, reason=beyond_memory(node))
    node = class_with_longest_runtime(asked, nodes)
    return RequestCap(amount=node.runtime, reason=beyond_runtime(node))
