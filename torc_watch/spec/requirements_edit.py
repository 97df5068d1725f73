"""Changes requirements in the text of a YAML specification, and nothing else of it.

Only the characters of the changed values are replaced: comments, quotes, order and line ends stay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from torc_watch.core.errors import InvalidQuantity, InvalidSpec
from torc_watch.core.units import parse_duration, parse_memory
from torc_watch.spec.yaml_loader import compose_yaml, parse_yaml

_SECTION = "resource_requirements"
_READERS = {"memory": parse_memory, "runtime": parse_duration}
Changes = Mapping[str, Mapping[str, str]]  # the new texts, by the name of the row and the key


@dataclass(frozen=True, slots=True)
class _Replacement:
    start: int
    end: int
    text: str


def edited(text: str, changes: Changes) -> str:
    """The specification with these values.

    Raises InvalidSpec, with the line, for rows that are not there and for values that cannot be
    replaced by themselves.
    """
    before = parse_yaml(text)
    if not changes:
        return text
    rows = _rows(text)
    if absent := [name for name in changes if name not in rows]:
        raise InvalidSpec(f"it has no {_SECTION} of the name {', '.join(map(repr, absent))}")
    replacements = [
        _replacement(text, rows[name], key, value)
        for name, values in changes.items()
        for key, value in values.items()
        if not _has_value(rows[name], key, value)
    ]
    after = _replaced(text, replacements)
    if _parsed(after) != _changed(before, changes):
        raise InvalidSpec("it cannot be changed without changing more of it: edit it by hand")
    return after


def _rows(text: str) -> dict[str, yaml.MappingNode]:
    """The mappings of the section, by the name."""
    root = compose_yaml(text)
    section = _value(root, _SECTION)
    items = section.value if isinstance(section, yaml.SequenceNode) else []
    found: dict[str, yaml.MappingNode] = {}
    for item in items:
        name = _value(item, "name")
        if isinstance(item, yaml.MappingNode) and isinstance(name, yaml.ScalarNode):
            found[name.value] = item
    return found


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _has_value(row: yaml.MappingNode, key: str, wanted: str) -> bool:
    """Whether it says the same already, perhaps in other words."""
    node = _value(row, key)
    try:
        return node is not None and _READERS[key](str(node.value)) == _READERS[key](wanted)
    except InvalidQuantity:
        return False


def _replacement(text: str, row: yaml.MappingNode, key: str, wanted: str) -> _Replacement:
    node = _value(row, key)
    if node is None:
        return _insertion(text, row, key, wanted)
    start, end = node.start_mark.index, node.end_mark.index
    written = text[start:end]
    quote = written[0] if written[:1] in ("'", '"') else ""
    if written != f"{quote}{node.value}{quote}" or not _is_quantity(key, node.value):
        line = node.start_mark.line + 1
        raise InvalidSpec(
            f"line {line}: {key} is no plain value, which can be replaced: edit it by hand"
        )
    return _Replacement(start, end, f"{quote}{wanted}{quote}")


def _is_quantity(key: str, written: str) -> bool:
    try:
        _READERS[key](written)
    except InvalidQuantity:
        return False
    return True


def _insertion(text: str, row: yaml.MappingNode, key: str, wanted: str) -> _Replacement:
    """Behind the name: in a line of its own, or in the same pair of braces."""
    name = next(value for key_, value in row.value if key_.value == "name")
    end = name.end_mark.index
    if row.flow_style:
        return _Replacement(end, end, f", {key}: {wanted}")
    ends = [at for at in (text.find("\r\n", end), text.find("\n", end)) if at >= 0]
    line_end = min(ends, default=len(text))
    new_line = "\r\n" if "\r\n" in text else "\n"
    indentation = " " * row.value[0][0].start_mark.column
    return _Replacement(line_end, line_end, f"{new_line}{indentation}{key}: {wanted}")


def _replaced(text: str, replacements: Iterable[_Replacement]) -> str:
    """From the end, so that the places of the others stay."""
    for each in sorted(replacements, key=lambda each: (each.start, each.end), reverse=True):
        text = text[: each.start] + each.text + text[each.end :]
    return text


def _parsed(text: str) -> Any:
    try:
        return parse_yaml(text)
    except InvalidSpec:
        return None


def _changed(document: Any, changes: Changes) -> Any:
    """What the new text has to mean."""
    rows: Sequence[Any] = [
        {**row, **_new_values(row, changes.get(str(row.get("name")), {}))}
        if isinstance(row, Mapping)
        else row
        for row in document[_SECTION]
    ]
    return {**document, _SECTION: rows}


def _new_values(row: Mapping[str, Any], values: Mapping[str, str]) -> Mapping[str, str]:
    return {
        key: value
        for key, value in values.items()
        if key not in row or not _says(key, row[key], value)
    }


def _says(key: str, written: object, wanted: str) -> bool:
    return _is_quantity(key, str(written)) and _READERS[key](str(written)) == _READERS[key](wanted)
