"""Which kinds of jobs share allocations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from operator import add

from torc_watch.planner.allotment import allot
from torc_watch.planner.batch import Allotment, JobBatch, Terms

_MOST_TOGETHER = 32  # kinds in one group, so that the work grows with their number only


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``members`` are places in the list that was divided."""

    members: tuple[int, ...]
    batch: JobBatch
    allotment: Allotment


def divide(batches: Sequence[JobBatch], terms: Terms) -> list[Part]:
    """The division that asks for the fewest node hours, and then has the fewest parts.

    Kinds that are alike are neighbors, and only neighbors share allocations. Chains share none.
    """
    order = sorted(range(len(batches)), key=lambda place: (_size(batches[place]), place))
    best: list[tuple[int, int, Part | None]] = [(0, 0, None)]
    for end in range(1, len(order) + 1):
        choices = []
        for part in _parts_that_end(order[max(0, end - _MOST_TOGETHER) : end], batches, terms):
            cost, count, _ = best[end - len(part.members)]
            choices.append((cost + part.allotment.node_seconds, count + 1, part))
        best.append(min(choices, key=lambda each: each[:2]))
    parts: list[Part] = []
    end = len(order)
    while (last := best[end][2]) is not None:
        parts.append(last)
        end -= len(last.members)
    return parts[::-1]


def _parts_that_end(places: Sequence[int], batches: Sequence[JobBatch], terms: Terms) -> list[Part]:
    """The last place, the last two, and so on."""
    members = [places[-1]]
    if batches[members[0]].in_a_row == 1:
        others = reversed(places[:-1])
        members += takewhile(lambda place: batches[place].in_a_row == 1, others)
    sums = accumulate((batches[place] for place in members), add)
    return [
        Part(members=tuple(sorted(members[:number])), batch=sum_, allotment=allot(sum_, terms))
        for number, sum_ in enumerate(sums, 1)
    ]


def _size(batch: JobBatch) -> tuple[int, ...]:
    return batch.runtime, batch.memory, batch.num_cpus, batch.num_gpus
