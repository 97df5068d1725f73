"""The node hours that a user allows a workflow: which allocations they pay for."""

import math
from collections.abc import Sequence

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.model import SLURM
from torc_watch.core.node_hours import NodeHours, hours_of
from torc_watch.core.recovery_round import Refusal, RefusalKind
from torc_watch.core.situation import Situation
from torc_watch.core.units import hours_text


def within_limit(
    specs: Sequence[AllocationSpec], situation: Situation, limit: float | None
) -> tuple[AllocationSpec, ...] | Refusal:
    """Those that ``limit`` allows, each taken to run to its end; a refusal where it allows none."""
    if limit is None or situation.scheduler_type != SLURM:
        return tuple(specs)
    hours = situation.node_hours
    if allowed := affordable(specs, limit - hours.total):
        return allowed
    reason = limit_reason(situation.workflow.id, hours, limit, hours_of(specs[0]))
    return Refusal(kind=RefusalKind.NODE_HOURS, reason=reason)


def affordable(specs: Sequence[AllocationSpec], hours: float) -> tuple[AllocationSpec, ...]:
    """The first of them that take no more than ``hours`` in all."""
    chosen: list[AllocationSpec] = []
    for spec in specs:
        hours -= hours_of(spec)
        if hours < 0:
            break
        chosen.append(spec)
    return tuple(chosen)


def limit_reason(workflow_id: int, hours: NodeHours, limit: float, wanted: float) -> str:
    """Why not even the first allocation may be submitted, and what to do about it."""
    used = (
        f"Workflow {workflow_id} has used {hours_text(hours.used)} of the {limit:g} node hours "
        "that it may use"
    )
    if math.isinf(hours.reserved):  # no number is enough as long as that runs
        return f"{used}; one of its allocations has no time limit"
    reserved = f" and may use {hours_text(hours.reserved)} more" if hours.reserved else ""
    is_bounded = wanted < math.inf
    asks = f"asks for {hours_text(wanted)} more" if is_bounded else "has no time limit"
    enough = max(limit, hours.total + (wanted if is_bounded else 0.0))
    return (
        f"{used}{reserved}; the next allocation {asks}. To allow more: "
        f"torc-watchd set {workflow_id} --max-node-hours {math.floor(enough) + 1}"
    )
