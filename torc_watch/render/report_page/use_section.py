"""Memory and run time: what kinds of jobs requested and what they used."""

from collections.abc import Iterator

from torc_watch.core.report import WorkflowOnServer
from torc_watch.core.units import format_memory, rounded_memory
from torc_watch.core.utilization import Fit, KindOfJobs, KindUse, ResourceKind
from torc_watch.render.report_page.markup import Child, Markup, Table, element, table
from torc_watch.render.report_page.words import count, duration, percent

_MOST_ROWS = 80
_WORDS = {ResourceKind.MEMORY: "memory", ResourceKind.RUNTIME: "run time"}
_JUDGMENTS = {
    Fit.TOO_LITTLE: "too little",
    Fit.ENOUGH: "fits",
    Fit.FAR_TOO_MUCH: "far too much",
    Fit.NOT_MEASURED: "",
}


def use_section(known: WorkflowOnServer) -> Iterator[Markup]:
    kinds = sorted(known.utilization.kinds, key=lambda kind: -kind.jobs)
    if kinds:
        yield table(
            Table(
                caption="Requested and used, by kind of job; of each kind the most that one used",
                head=("Kind", "Jobs", "Resource", "Requested", "Used at most", "Share", "Judgment"),
                rows=[_row(kind, resource) for kind in kinds for resource in _WORDS],
                numbers=(1, 3, 4, 5),
                most=_MOST_ROWS,
            )
        )
    else:
        yield element("p", "No job with resource requirements has ended yet.")
    if number := known.utilization.without_request:
        text = f"{count(number, 'job')} without resource requirements: nothing to compare with."
        yield element("p", text)


def _row(kind: KindOfJobs, resource: ResourceKind) -> tuple[Child, ...]:
    use = kind.use_of(resource)
    return (
        kind.name,
        f"{kind.jobs:,}",
        _WORDS[resource],
        requested_text(use),
        used_text(use),
        percent(use.used, use.requested) if use.used and use.requested else "",
        judgment(use),
    )


def judgment(use: KindUse) -> str:
    """With what would be enough, where the request is not."""
    word = _JUDGMENTS[use.fit]
    if use.fit not in (Fit.TOO_LITTLE, Fit.FAR_TOO_MUCH) or use.enough is None:
        return word
    return f"{word}: {amount_text(use.resource, use.enough, is_request=True)} would do"


def requested_text(use: KindUse) -> str:
    if use.requested is None:
        return "?"
    return amount_text(use.resource, use.requested, is_request=True)


def used_text(use: KindUse) -> str:
    if use.used is None:
        return "not measured"
    return amount_text(use.resource, use.used, is_request=False)


def amount_text(resource: ResourceKind, amount: float, *, is_request: bool) -> str:
    if resource is ResourceKind.RUNTIME:
        return duration(amount)
    return format_memory(int(amount)) if is_request else rounded_memory(int(amount))
