"""How many allocations may be submitted, and how groups share that."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from torc_watch.planner.allotment import allot
from torc_watch.planner.batch import Allotment, Terms
from torc_watch.planner.cluster_description import ClusterDescription
from torc_watch.planner.cluster_plan import PlanOptions
from torc_watch.planner.division import Part
from torc_watch.planner.family import Family
from torc_watch.planner.limits import Bound

_Planned = tuple[Family, Terms, Part]


def within_submit_limits(
    planned: Sequence[_Planned], cluster: ClusterDescription, options: PlanOptions
) -> list[_Planned]:
    """Fewer and longer allocations where there would be more than a limit allows.

    Groups that are submitted at once share the limit, and so do those that come later. Each keeps
    at least one allocation.
    """
    result = list(planned)
    for limit, places in _limited(planned, cluster, options):
        numbers = {place: result[place][2].allotment.number for place in places}
        wanted = sum(numbers.values())
        if wanted <= limit.value:
            continue
        for place, number in numbers.items():
            family, terms, part = result[place]
            more = max(0, limit.value - len(numbers)) * number // wanted
            most = Bound(1 + more, limit.source)
            if number > most.value:
                bounded = replace(part, allotment=_bounded(part, terms, most))
                result[place] = family, terms, bounded
    return result


def _bounded(part: Part, terms: Terms, most: Bound) -> Allotment:
    made = allot(part.batch, terms, most)
    if made.number <= most.value:
        return made
    return replace(made, number=most.value, bounded_by=most.source)


def _limited(
    planned: Sequence[_Planned], cluster: ClusterDescription, options: PlanOptions
) -> Iterator[tuple[Bound, list[int]]]:
    """Each limit on a number, with the places of the groups for which it holds together."""
    places: dict[tuple[Bound, bool], list[int]] = {}
    for place, (family, terms, _) in enumerate(planned):
        for limit in _limits(terms, cluster, options):
            places.setdefault((limit, not family.after), []).append(place)
    for (limit, _), together in places.items():
        yield limit, together


def _limits(terms: Terms, cluster: ClusterDescription, options: PlanOptions) -> Iterator[Bound]:
    if options.max_allocations is not None:
        yield Bound(options.max_allocations, "the number that you allow")
    for each in terms.choice.candidate.limits:
        if each.limits.max_submitted is not None:
            left = max(0, each.limits.max_submitted - cluster.queued)
            yield Bound(left, f"{each.name}, which lets you submit {left} more")
