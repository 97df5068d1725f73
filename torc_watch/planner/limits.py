"""Amounts that one allocation may have, each with the name of the limit that sets it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torc_watch.planner.cluster_description import Limits, Tres

_Amount = Callable[["Tres"], int | None]
NUM_CPUS: _Amount = attrgetter("num_cpus")
MEMORY: _Amount = attrgetter("memory")
NUM_GPUS: _Amount = attrgetter("num_gpus")
NUM_NODES: _Amount = attrgetter("num_nodes")


@dataclass(frozen=True, slots=True)
class Bound:
    """``source`` names what sets it: a partition, "QOS long", "account myproject"."""

    value: int
    source: str


@dataclass(frozen=True, slots=True)
class NamedLimits:
    name: str
    limits: "Limits"


def lowest(*numbers: int | None) -> int | None:
    """Of those that are limits; None if none is."""
    return min((number for number in numbers if number is not None), default=None)


def bound(value: int | None, source: str) -> Iterator[Bound]:
    """Nothing where there is no limit."""
    if value is not None:
        yield Bound(value, source)


def strictest(bounds: Iterable[Bound]) -> Bound | None:
    """The first of the smallest ones."""
    return min(bounds, key=attrgetter("value"), default=None)


def bounds_per_node(
    limits: Iterable[NamedLimits], amount: _Amount, num_nodes: int
) -> Iterator[Bound]:
    """What each of an allocation's ``num_nodes`` nodes may have.

    Limits on what runs at once count too: an allocation over one of them would never start.
    """
    for each in limits:
        yield from bound(amount(each.limits.per_node), each.name)
        for total in bounds_per_allocation(each, amount):
            yield Bound(total.value // num_nodes, total.source)


def bounds_per_allocation(each: NamedLimits, amount: _Amount) -> Iterator[Bound]:
    yield from bound(amount(each.limits.per_job), each.name)
    yield from bounds_at_once(each, amount)


def bounds_at_once(each: NamedLimits, amount: _Amount) -> Iterator[Bound]:
    """What all allocations may have that run at the same time."""
    yield from bound(amount(each.limits.per_user), each.name)
    yield from bound(amount(each.limits.in_all), each.name)
