"""The use of resources for people: a table by kind of job, and requests that would be enough."""

from collections.abc import Iterable, Iterator, Sequence

from torc_watch.core.units import duration_text, format_memory, rounded_memory
from torc_watch.core.utilization import (
    PERCENT_OF_A_CPU,
    Fit,
    KindOfJobs,
    KindUse,
    ResourceKind,
    Utilization,
)
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines

_WORDS = {ResourceKind.MEMORY: "memory", ResourceKind.CPU: "CPUs", ResourceKind.RUNTIME: "run time"}
_HEAD = ("KIND", "JOBS", "OVER", "RESOURCE", "REQUESTED", "USED AT MOST", "USE")
_NUMBERS = (1, 2, 6)
_LONGEST_NAME = 22  # so that a row has 80 columns
_MOST_ADVICE = 20  # lines
_Row = tuple[KindOfJobs, KindUse]


def utilization_lines(
    workflow_id: int, found: Utilization, *, shows_all: bool, include_failed: bool
) -> Iterator[str]:
    rows = [(kind, use) for kind in found.kinds for use in kind.uses]
    if not found.jobs:
        ended = "completed or failed" if include_failed else "completed"
        yield f"No job of workflow {workflow_id} has {ended} yet."
        return
    yield from _verdict(workflow_id, found)
    shown = rows if shows_all else [row for row in rows if row[1].fit is Fit.TOO_LITTLE]
    if shown:
        yield ""
        yield from table_lines([_HEAD, *(_cells(*row) for row in shown)], _NUMBERS)
    yield from _advice("This would have been enough:", rows, Fit.TOO_LITTLE)
    yield from _advice("Far too much was requested:", rows, Fit.FAR_TOO_MUCH)
    yield from _notes(found, shows_all=shows_all)


def _verdict(workflow_id: int, found: Utilization) -> Iterator[str]:
    compared = found.jobs - found.without_request
    over = len({use.job.id for use in found.over})
    if not compared:
        return
    if over:
        of = f"{over:,} of {_jobs(compared)}"
        yield f"Workflow {workflow_id}: {of} used more than {_they(compared)} requested."
    elif compared == 1:
        yield f"Workflow {workflow_id}: its job used no more than it requested."
    else:
        yield f"Workflow {workflow_id}: none of {_jobs(compared)} used more than it requested."


def _they(number: int) -> str:
    return "it" if number == 1 else "they"


def _jobs(number: int) -> str:
    return f"{number:,} job{'' if number == 1 else 's'}"


def _cells(kind: KindOfJobs, use: KindUse) -> tuple[str, ...]:
    share = ""
    if use.requested is not None and use.used is not None:
        share = f"{use.used / use.requested:.0%}"
    return (
        printable(kind.name, _LONGEST_NAME),
        f"{kind.jobs:,}",
        f"{use.over:,}" if use.measured else "",
        _WORDS[use.resource],
        "?" if use.requested is None else _request(use.resource, use.requested),
        "not measured" if use.used is None else _used(use.resource, use.used),
        share,
    )


def _request(resource: ResourceKind, amount: float) -> str:
    if resource is ResourceKind.MEMORY:
        return format_memory(int(amount))
    if resource is ResourceKind.CPU:
        return f"{amount / PERCENT_OF_A_CPU:.0f}"
    return duration_text(amount)


def _used(resource: ResourceKind, amount: float) -> str:
    if resource is ResourceKind.MEMORY:
        return rounded_memory(int(amount))
    if resource is ResourceKind.CPU:
        return f"{amount / PERCENT_OF_A_CPU:.1f}"
    return duration_text(amount) if amount >= 1 else "below 1 s"


def _advice(title: str, rows: Iterable[_Row], fit: Fit) -> Iterator[str]:
    lines = [line for row in rows if row[1].fit is fit for line in _would_do(*row)]
    if lines:
        yield from ("", title, *lines[:_MOST_ADVICE])
    if len(lines) > _MOST_ADVICE:
        yield f"  and {len(lines) - _MOST_ADVICE:,} more: all are in --json"


def _would_do(kind: KindOfJobs, use: KindUse) -> Iterator[str]:
    if use.requested is None or use.used is None or use.enough is None:
        return
    requested, enough = _request(use.resource, use.requested), _request(use.resource, use.enough)
    would_do = f"at least {enough}, as some failed" if kind.fails else f"{enough} would do"
    yield (
        f"  {_jobs(kind.jobs)} {printable(kind.name, _LONGEST_NAME)}: {_WORDS[use.resource]} "
        f"{requested} requested, {_used(use.resource, use.used)} used at most: {would_do}"
    )


def _notes(found: Utilization, *, shows_all: bool) -> Iterator[str]:
    notes = [*_unmeasured(found.kinds)]
    if found.without_request:
        are = "1 job has" if found.without_request == 1 else f"{found.without_request:,} jobs have"
        notes.append(f"{are} no resource requirements, and nothing to compare with.")
    if found.kinds and not shows_all:
        notes.append("See all that was measured with: --all")
    if notes:
        yield ""
    yield from notes


def _unmeasured(kinds: Sequence[KindOfJobs]) -> Iterator[str]:
    lacks = []
    for resource in (ResourceKind.MEMORY, ResourceKind.CPU):
        number = sum(max(0, kind.jobs - kind.use_of(resource).measured) for kind in kinds)
        if number:
            lacks.append(f"{_WORDS[resource]} of {_jobs(number)}")
    if lacks:
        yield f"Not measured: {' and '.join(lacks)}. Short jobs end before a sample."
