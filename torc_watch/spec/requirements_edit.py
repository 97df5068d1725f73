"""Changes requirements in the text of a YAML specification, and nothing else of it.

Only the characters of the changed values are replaced: comments, quotes, order and line ends stay.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from torc_watch.core.errors import InvalidQuantity, InvalidSpec
from torc_watch.core.units import parse_duration, parse_memory
from torc_watch.spec.yaml_loader import compose_yaml, parse_yaml

_SECTION = "resource_requirements"
_LINE_END = re.compile(r"\r\n?|\n")
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
    document = parse_yaml(text)
    if not changes:
        return text
    nodes, rows = _nodes(text), _rows(document)
    if absent := [name for name in changes if name not in nodes or name not in rows]:
        raise InvalidSpec(f"it has no {_SECTION} of the name {', '.join(map(repr, absent))}")
    missing = {name: _missing(rows[name], values) for name, values in changes.items()}
    replacements = [
        _replacement(text, nodes[name], key, value)
        for name, values in missing.items()
        for key, value in values.items()
    ]
    after = _replaced(text, replacements)
    if _parsed(after) != _changed(document, missing):
        raise InvalidSpec("it cannot be changed without changing more of it: edit it by hand")
    return after


def _nodes(text: str) -> dict[str, yaml.MappingNode]:
    """The mappings of the section, by the name. Raises InvalidSpec for a name that two have."""
    section = _value(compose_yaml(text), _SECTION)
    items = section.value if isinstance(section, yaml.SequenceNode) else []
    found: dict[str, yaml.MappingNode] = {}
    for item in items:
        name = _value(item, "name")
        if not isinstance(item, yaml.MappingNode) or not isinstance(name, yaml.ScalarNode):
            continue
        if found.setdefault(name.value, item) is not item:
            line = name.start_mark.line + 1
            raise InvalidSpec(f"line {line}: another of the {_SECTION} is named {name.value!r}")
    return found


def _rows(document: Any) -> dict[str, Mapping[str, Any]]:
    """What these mappings say, with what is merged into them."""
    section = document.get(_SECTION) if isinstance(document, Mapping) else None
    items = section if isinstance(section, list) else []
    return {str(item.get("name")): item for item in items if isinstance(item, Mapping)}


def _missing(row: Mapping[str, Any], values: Mapping[str, str]) -> Mapping[str, str]:
    """What the row does not say already, perhaps in other words."""
    return {key: value for key, value in values.items() if not _says(key, row.get(key), value)}


def _says(key: str, written: object, wanted: str) -> bool:
    return _is_quantity(key, str(written)) and _READERS[key](str(written)) == _READERS[key](wanted)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


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
    line_end = _LINE_END.search(text, end)
    at = line_end.start() if line_end else len(text)
    first = line_end or _LINE_END.search(text)
    new_line = first.group() if first else "\n"
    indentation = " " * row.value[0][0].start_mark.column
    return _Replacement(at, at, f"{new_line}{indentation}{key}: {wanted}")


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
        {**row, **changes.get(str(row.get("name")), {})} if isinstance(row, Mapping) else row
        for row in document[_SECTION]
    ]
    return {**document, _SECTION: rows}
