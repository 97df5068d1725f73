"""What a plan costs at most, as text and as values for scripts."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from torc_watch.core.plan_price import PlanPrice
from torc_watch.core.units import hours_text
from torc_watch.render.time_text import local_time


def price_text(price: PlanPrice) -> str:
    """Such as ``12 jobs, at most 40 node hours in 2 allocations, memory up to x 1.5``."""
    parts = list(_parts(price))
    if price.starts_at:
        parts.append(f"the first is expected to start at {_start(price.starts_at)}")
    return ", ".join(parts)


def proposed_price_text(price: PlanPrice) -> str:
    """The same of a plan that has waited since: Slurm may expect another start by now."""
    parts = list(_parts(price))
    if price.starts_at:
        parts.append(f"expected then to start at {_start(price.starts_at)}")
    return ", ".join(parts)


def _start(starts_at: datetime) -> str:
    return local_time(starts_at.isoformat())


def _parts(price: PlanPrice) -> Iterator[str]:
    yield counted(price.jobs, "job")
    where = counted(price.allocations, "allocation")
    if price.node_hours is None:
        yield f"{where} on this machine, no node hours"
    else:
        yield f"at most {hours_text(price.node_hours)} node hours in {where}"
    if price.memory_factor > 1:
        yield f"memory up to x {price.memory_factor:.3g}"


def price_values(price: PlanPrice) -> dict[str, Any]:
    return {
        "jobs": price.jobs,
        "allocations": price.allocations,
        "node_hours": price.node_hours,
        "memory_factor": price.memory_factor,
        "starts_at": price.starts_at.isoformat() if price.starts_at else None,
    }


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
