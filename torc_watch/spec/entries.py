"""Validates the entries of a specification and expands their parameters."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.keys import PARAMETERIZATION, SECTIONS, TEXT, ValueKind
from torc_watch.spec.parameter_sources import SharedParameters, combinations
from torc_watch.spec.parameters import (
    MAX_COMBINATIONS,
    Combination,
    Substitute,
    make_substitute,
)
from torc_watch.spec.problems import Problems, quoted

_TABLE_KEYS = ("parameters_file", "use_parameters_file")
_TYPE_NAMES: Mapping[type, str] = {
    type(None): "null",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
}


@dataclass(frozen=True, slots=True)
class SpecEntry:
    """An entry of a list; ``values`` has only valid values."""

    where: str
    values: Mapping[str, Any]

    @property
    def name(self) -> str | None:
        name: str | None = self.values.get("name")
        return name


@dataclass(frozen=True, slots=True)
class Section:
    """Expanded entries; incomplete if an expansion failed, so that names are missing."""

    entries: Sequence[SpecEntry]
    is_complete: bool

    def named(self) -> Iterator[tuple[str, SpecEntry]]:
        return ((entry.name, entry) for entry in self.entries if entry.name)


class ExpansionFailed(Exception):
    """The reason is already in the list of problems."""


def check_mapping(
    value: object,
    keys: Mapping[str, ValueKind],
    where: str,
    problems: Problems,
    *,
    required: Collection[str],
) -> dict[str, Any]:
    """The valid values; all others are added to ``problems``. Null counts as absent."""
    if not isinstance(value, Mapping):
        problems.add(where or "workflow", f"must be a mapping, not {_type_name(value)}")
        return {}
    valid: dict[str, Any] = {}
    for key, item in value.items():
        if key not in keys:
            problems.add_unknown(where or "workflow", str(key), "key", keys)
        elif item is not None and keys[key].accepts(item):
            valid[key] = item
        elif item is not None:
            problems.add(join_location(where, key), _wrong_kind(keys[key], item))
    for key in required:
        if value.get(key) is None:
            problems.add(join_location(where, key), "is missing")
        elif valid.get(key) in ("", []):
            problems.add(join_location(where, key), "is empty")
    return valid


def read_section(
    document: Mapping[str, Any], section: str, shared: SharedParameters, problems: Problems
) -> Section:
    """The entries of a list, expanded with their own and the workflow's parameters."""
    keys, required = SECTIONS[section]
    entries: list[SpecEntry] = []
    is_complete = True
    for position, raw in enumerate(document.get(section, [])):
        where = f"{section}[{position}]{_title(raw)}"
        values = check_mapping(raw, keys, where, problems, required=required)
        try:
            entries += _expanded(SpecEntry(where, values), shared, problems)
        except ExpansionFailed:
            is_complete = False
        if len(entries) > MAX_COMBINATIONS:
            problems.add(section, f"more than {MAX_COMBINATIONS:,} entries are too many")
            return Section(entries, is_complete=False)
    return Section(entries, is_complete)


def join_location(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _expanded(entry: SpecEntry, shared: SharedParameters, problems: Problems) -> list[SpecEntry]:
    _refuse_unknown_parameters(entry, shared, problems)
    try:
        found = combinations(entry.values, shared)
    except InvalidSpec as error:
        key = next((key for key in _TABLE_KEYS if key in entry.values), "parameters")
        problems.add(join_location(entry.where, key), str(error))
        raise ExpansionFailed from None
    if found is None:
        return [entry]
    texts = {key: item for key, item in entry.values.items() if key not in PARAMETERIZATION}
    substitute = make_substitute(found.names)
    return [
        SpecEntry(
            entry.where, {k: _substitute_all(v, substitute, combination) for k, v in texts.items()}
        )
        for combination in found.rows
    ]


def _refuse_unknown_parameters(
    entry: SpecEntry, shared: SharedParameters, problems: Problems
) -> None:
    own: Mapping[str, object] = entry.values.get("parameters", {})
    for name in entry.values.get("use_parameters", []):
        if name not in shared.values and name not in own:
            where = join_location(entry.where, "use_parameters")
            problems.add_unknown(where, name, "workflow parameter", shared.values)
            raise ExpansionFailed


def _substitute_all(value: Any, substitute: Substitute, combination: Combination) -> Any:
    if isinstance(value, str):
        return substitute(value, combination) if "{" in value else value
    if isinstance(value, list):
        return [_substitute_all(item, substitute, combination) for item in value]
    if isinstance(value, dict):
        return {key: _substitute_all(item, substitute, combination) for key, item in value.items()}
    return value


def _title(raw: object) -> str:
    name = raw.get("name") if isinstance(raw, Mapping) else None
    return f" ({quoted(name)[1:-1]})" if isinstance(name, str) else ""


def _wrong_kind(kind: ValueKind, value: object) -> str:
    hint = "; put it in quotes" if kind is TEXT and isinstance(value, bool | int | float) else ""
    return f"must be {kind.description}, not {_type_name(value)}{hint}"


def _type_name(value: object) -> str:
    return (
        "a mapping"
        if isinstance(value, Mapping)
        else _TYPE_NAMES.get(type(value), type(value).__name__)
    )
