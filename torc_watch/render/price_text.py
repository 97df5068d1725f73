"""What a plan costs at most, as text and as values for scripts."""

from collections.abc import Iterator
from typing import Any

from torc_watch.core.plan_price import PlanPrice
from torc_watch.core.units import hours_text
from torc_watch.render.time_text import local_time


def price_text(price: PlanPrice) -> str:
    """Such as ``12 jobs, at most 40 node hours in 2 allocations, memory up to x 1.5``."""
    return ", ".join(_parts(price))


def _parts(price: PlanPrice) -> Iterator[str]:
    yield counted(price.jobs, "job")
    where = counted(price.allocations, "allocation")
    if price.node_hours is None:
        yield f"{where} on this machine, no node hours"
    else:
        yield f"at most {hours_text(price.node_hours)} node hours in {where}"
    if price.memory_factor > 1:
        yield f"memory up to x {price.memory_factor:.3g}"
    if price.starts_at:
        yield f"the first is expected to start at {local_time(price.starts_at.isoformat())}"


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
