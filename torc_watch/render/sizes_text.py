"""What kinds of jobs need, for people: a table, and requirements to paste into a specification."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from torc_watch.core.kind_sizes import KindSizes, MeasuredNeed, SuggestedRequirements
from torc_watch.core.model import Requirements
from torc_watch.core.units import duration_text, format_duration, format_memory, rounded_memory
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines

_HEAD = ("KIND", "JOBS", "FAILED", "RESOURCE", "REQUESTED", "P50", "P95", "MOST")
_NUMBERS = (1, 2, 5, 6, 7)
_LONGEST_NAME = 22
_MOST_KINDS = 50  # in the table; all are in --json
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_NAMES = ("true", "false", "null")  # what plain text would not be a name of, in YAML


def sizes_lines(workflow_id: int, kinds: Sequence[KindSizes]) -> Iterator[str]:
    if not kinds:
        yield f"No job of workflow {workflow_id} that has resource requirements has ended yet."
        return
    rows = [row for kind in kinds[:_MOST_KINDS] for row in _rows(kind)]
    yield from table_lines([_HEAD, *rows], _NUMBERS)
    if len(kinds) > _MOST_KINDS:
        yield f"and {len(kinds) - _MOST_KINDS:,} more kinds: all are in --json"
    yield ""
    failed = sum(kind.failed_node_hours for kind in kinds)
    unused = sum(kind.unused_node_hours for kind in kinds)
    yield (
        f"Waste: {failed:,.2f} node hours of attempts that failed, and {unused:,.2f} of memory "
        "that was requested and not used."
    )
    if unmeasured := sum(
        max(0, kind.attempts - kind.failed - kind.memory.measured) for kind in kinds
    ):
        attempts = "1 attempt" if unmeasured == 1 else f"{unmeasured:,} attempts"
        yield f"The memory of {attempts} was not measured: short jobs end before a sample."


def requirements_lines(
    kinds: Sequence[KindSizes], suggestions: Sequence[SuggestedRequirements]
) -> Iterator[str]:
    """YAML, which is valid also where a name has special characters."""
    written = {kind.key.requirements: kind.written for kind in kinds}
    yield "resource_requirements:"
    for each in suggestions:
        yield from _entry(each, written.get(each.name))


def suggested_texts(suggestion: SuggestedRequirements) -> Mapping[str, str]:
    """The new values in a specification's words, by their keys."""
    texts = {}
    if suggestion.memory is not None:
        texts["memory"] = format_memory(suggestion.memory)
    if suggestion.runtime is not None:
        texts["runtime"] = format_duration(suggestion.runtime)
    return texts


def _rows(kind: KindSizes) -> Iterator[tuple[str, ...]]:
    memory = " ".join(map(format_memory, _ends(kind.requested_memory)))
    runtime = " ".join(map(format_duration, _ends(kind.requested_runtime)))
    name = printable(kind.name, _LONGEST_NAME)
    cells = _cells(kind.memory, rounded_memory)
    yield (name, f"{kind.jobs:,}", f"{kind.failed:,}", "memory", memory or "?", *cells)
    yield ("", "", "", "run time", runtime or "?", *_cells(kind.runtime, duration_text))


def _ends(amounts: Sequence[int]) -> Sequence[int]:
    """The smallest and the largest."""
    return (amounts[0], amounts[-1]) if len(amounts) > 1 else amounts


def _cells(need: MeasuredNeed, text: Callable[[int], str]) -> tuple[str, str, str]:
    values = (need.p50, need.p95, need.largest)
    p50, p95, most = ("-" if value is None else text(value) for value in values)
    return p50, p95, most


def _entry(suggestion: SuggestedRequirements, written: Requirements | None) -> Iterator[str]:
    least = "  # at least: some of its jobs have not completed" if suggestion.is_least else ""
    yield f"  - name: {_scalar(suggestion.name)}{least}"
    if written is not None:
        yield f"    num_cpus: {written.num_cpus}"
        if written.num_gpus:
            yield f"    num_gpus: {written.num_gpus}"
        if written.num_nodes > 1:
            yield f"    num_nodes: {written.num_nodes}"
    before = _written_texts(written)
    for key, text in {**before, **suggested_texts(suggestion)}.items():
        old = before.get(key)
        yield f"    {key}: {text}" + (f"  # was {old}" if old and old != text else "")


def _written_texts(row: Requirements | None) -> dict[str, str]:
    texts = {}
    if row is not None and row.memory is not None:
        texts["memory"] = format_memory(row.memory)
    if row is not None and row.runtime is not None:
        texts["runtime"] = format_duration(row.runtime)
    return texts


def _scalar(name: str) -> str:
    is_plain = _PLAIN.fullmatch(name) and name.lower() not in _NO_NAMES
    return name if is_plain else f'"{"".join(map(_escaped, name))}"'


def _escaped(character: str) -> str:
    """In the double quotes of YAML, whose escapes are not those of JSON beyond U+FFFF."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08X}"
