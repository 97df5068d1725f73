"""Sentences about a plan: what was bounded, and by which limit."""

from collections.abc import Iterable, Iterator

from torc_watch.core.units import duration_text
from torc_watch.planner.batch import Terms
from torc_watch.planner.division import Part
from torc_watch.planner.family import Family
from torc_watch.planner.workload import Workload


def notes_of(parts: Iterable[tuple[Family, Terms, Part]], workload: Workload) -> tuple[str, ...]:
    """In the order of the groups, each once."""
    notes = (note for each in parts for note in _notes(*each, workload))
    return tuple(dict.fromkeys(notes))


def _notes(family: Family, terms: Terms, part: Part, workload: Workload) -> Iterator[str]:
    choice, allotment = terms.choice, part.allotment
    partition = choice.candidate.partition.name
    first = workload.kinds[family.kinds[part.members[0]]].example
    if allotment.bounded_by:
        yield f"Jobs like {first} get {_counted(allotment.number)}: more are over {_limit(part)}."
    if choice.waits_for:
        yield f"Allocations in partition {partition} wait until after {choice.waits_for}."
    longest = choice.longest or 0
    if choice.shortened_by and allotment.runtime + part.batch.runtime > longest:
        yield (
            f"Allocations in partition {partition} are at most "
            f"{duration_text(longest)} long, to end before {choice.shortened_by}."
        )
    if choice.is_tight and choice.longest:
        usable = max(0, choice.longest - terms.margin)
        yield (
            f"Jobs like {first} have {duration_text(usable)} in partition {partition}, less than "
            f"they ask for: the limit is {duration_text(choice.longest)}, of which starting and "
            f"stopping take {duration_text(terms.margin)}."
        )


def _limit(part: Part) -> str:
    return f"the limit of {part.allotment.bounded_by}"


def _counted(number: int) -> str:
    return "1 allocation" if number == 1 else f"{number} allocations"
