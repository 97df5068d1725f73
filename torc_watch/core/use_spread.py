"""How the use of jobs alike is spread, as a share of what they requested."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torc_watch.core.siblings import Kind, kind_of
from torc_watch.core.utilization import KindOfJobs, KindUse, ResourceKind, Utilization


@dataclass(frozen=True, slots=True, kw_only=True)
class UseSpread:
    """Shares of the request, 1.0 for all of it. ``use`` has the amounts."""

    kind: KindOfJobs
    use: KindUse
    least: float
    lower: float  # quartile
    median: float
    upper: float  # quartile
    most: float


def use_spreads(found: Utilization, resource: ResourceKind) -> tuple[UseSpread, ...]:
    """Of the kinds of which some use was measured, those with the most jobs first."""
    shares: dict[Kind, list[float]] = defaultdict(list)
    for use in (*found.over, *found.within):
        if use.resource is resource:
            shares[kind_of(use.job)].append(use.used / use.requested)
    spreads = _spreads(found, resource, shares)
    return tuple(sorted(spreads, key=lambda spread: -spread.kind.jobs))


def _spreads(
    found: Utilization, resource: ResourceKind, shares: dict[Kind, list[float]]
) -> Iterator[UseSpread]:
    for kind in found.kinds:
        of_kind = sorted(shares.get((kind.name, kind.requirements.id), ()))
        if of_kind:
            yield UseSpread(
                kind=kind,
                use=kind.use_of(resource),
                least=of_kind[0],
                lower=_quantile(of_kind, 0.25),
                median=_quantile(of_kind, 0.5),
                upper=_quantile(of_kind, 0.75),
                most=of_kind[-1],
            )


def _quantile(values: Sequence[float], share: float) -> float:
    """The value at that share of the sorted ``values``, the lower one of two."""
    return values[int(share * (len(values) - 1))]
