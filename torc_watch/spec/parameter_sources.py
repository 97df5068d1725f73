"""Where the parameters of an entry come from: the entry, the workflow, or a table in a file."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.bounded_text import read_text
from torc_watch.spec.parameter_table import columns, read_table
from torc_watch.spec.parameters import (
    Combination,
    ParameterValue,
    combine,
    parse_lines,
    parse_values,
)

_INLINE = ("parameters", "parameter_mode", "use_parameters")
_SPLIT_BY_TORC = frozenset(',"\\')


class Tables:
    """Reads each table once, although many entries use it."""

    def __init__(self) -> None:
        self._rows: dict[str, Sequence[Combination]] = {}

    def read(self, name: str) -> Sequence[Combination]:
        """The rows of a table. Raises InvalidSpec."""
        if name not in self._rows:
            self._rows[name] = read_table(name)
        return self._rows[name]


@dataclass(frozen=True, slots=True)
class SharedParameters:
    """What the workflow itself has for its entries: ``values``, or the name of a ``table``."""

    values: Mapping[str, object]
    table: str | None
    tables: Tables


@dataclass(frozen=True, slots=True)
class Combinations:
    """The combinations of an entry's parameters, and all names in them."""

    names: Sequence[str]
    rows: Iterable[Combination]


def combinations(values: Mapping[str, Any], shared: SharedParameters) -> Combinations | None:
    """Those of an entry with these values; None if it has no parameters. Raises InvalidSpec."""
    table = _table(values, shared)
    if table is not None:
        rows = shared.tables.read(table)
        return Combinations(columns(rows), rows)
    parameters = {name: read_values(value) for name, value in _inline(values, shared).items()}
    if not parameters:
        return None
    pairwise = values.get("parameter_mode") == "zip"
    return Combinations(tuple(parameters), combine(parameters, pairwise=pairwise))


def read_values(value: object) -> Sequence[ParameterValue]:
    """The values of one parameter. Raises InvalidSpec."""
    if isinstance(value, str):
        text = value.strip()
        return _values_of_file(text[1:].strip()) if text[:1] == "@" else parse_values(text)
    items = [_as_text(item) for item in (value if isinstance(value, list) else [value])]
    if not items or not all(map(_is_value, items)):
        raise InvalidSpec(
            "values are a range such as '1:100', a list of texts or numbers, or a single one"
        )
    for item in items:
        if isinstance(item, str) and not (_SPLIT_BY_TORC.isdisjoint(item) and item.isprintable()):
            raise InvalidSpec(
                f"Torc would split or change the text {item!r} in a list; "
                "write such texts into a parameters_file"
            )
    return items


def _as_text(item: Any) -> Any:
    """Torc has no flags as values of parameters: they are texts."""
    return str(item).lower() if isinstance(item, bool) else item


def _is_value(item: Any) -> bool:
    return type(item) in {int, str} or (type(item) is float and math.isfinite(item))


def _table(values: Mapping[str, Any], shared: SharedParameters) -> str | None:
    own: str | None = values.get("parameters_file")
    uses_shared = values.get("use_parameters_file", False)
    if own is None and not uses_shared:
        return None
    if mixed := [key for key in _INLINE if key in values]:
        raise InvalidSpec(f"a table of parameters cannot be combined with {', '.join(mixed)}")
    if own is not None and uses_shared:
        raise InvalidSpec("give either parameters_file or use_parameters_file, not both")
    if own is None and shared.table is None:
        raise InvalidSpec("use_parameters_file needs a parameters_file of the workflow")
    return shared.table if own is None else own


def _inline(values: Mapping[str, Any], shared: SharedParameters) -> Mapping[str, object]:
    own: Mapping[str, object] | None = values.get("parameters")
    used: list[str] = values.get("use_parameters", [])
    if own is None:
        return {name: shared.values[name] for name in used}
    if hidden := [name for name in used if name not in own]:
        raise InvalidSpec(
            f"its own parameters replace those of the workflow, so Torc does not use "
            f"{', '.join(hidden)}; repeat them among its own"
        )
    return own


def _values_of_file(name: str) -> Sequence[ParameterValue]:
    """From the folder of the command, as in Torc."""
    if not name:
        raise InvalidSpec("@ cannot be read: it names no file")
    return parse_lines(read_text(Path(name)))
