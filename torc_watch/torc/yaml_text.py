"""YAML as a specification may be written: YAML 1.2's plain types, no traps, no bombs.

PyYAML follows YAML 1.1, in which ``1:30`` is the number 90 and ``no`` is false. Torc reads ranges
and words there, and so do we.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from torc_watch.core.errors import InvalidSpec

_MAX_DEPTH = 50
_MAX_SIZE = 5_000_000  # values, aliases counted each time they are used

_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc]  # whichever of the two it is, both are typed alike
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # the base class says how


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), list(_first)
    )


@dataclass(slots=True)
class _Collection:
    """A mapping or list whose end has not been read yet. ``size`` counts what is in it."""

    anchor: str | None = None
    is_mapping: bool = False
    size: int = 1
    items: int = 0
    keys: set[str] = field(default_factory=set)


def parse_yaml(text: str) -> Any:
    """The value of a YAML document. Raises InvalidSpec with the line of what is wrong."""
    try:
        _inspect(text)  # before anything is built: deep nesting would crash the parser in C
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidSpec(f"line {line}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise InvalidSpec(f"line {line}: a character that YAML does not allow") from None


def _inspect(text: str) -> None:
    """Refuses what is nested too deeply, too large once its aliases are followed, or ambiguous."""
    open_collections = [_Collection()]
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                is_mapping = isinstance(event, yaml.MappingStartEvent)
                open_collections.append(_Collection(anchor=event.anchor, is_mapping=is_mapping))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                ended = open_collections.pop()
                _add(open_collections[-1], ended.size, line)
                sizes[ended.anchor or ""] = ended.size
            case yaml.ScalarEvent():
                _refuse_repeated_key(open_collections[-1], event.value, line)
                _add(open_collections[-1], 1, line)
                sizes[event.anchor or ""] = 1
            case yaml.AliasEvent():
                if event.anchor not in sizes:
                    raise InvalidSpec(f"line {line}: *{event.anchor} names nothing before it")
                _add(open_collections[-1], sizes[event.anchor], line)
        if len(open_collections) > _MAX_DEPTH:
            raise InvalidSpec(f"line {line}: lists and mappings are nested too deeply")


def _add(collection: _Collection, size: int, line: int) -> None:
    collection.items += 1
    collection.size += size
    if collection.size > _MAX_SIZE:
        raise InvalidSpec(f"line {line}: the document is too large once its aliases are followed")


def _refuse_repeated_key(collection: _Collection, value: str, line: int) -> None:
    is_key = collection.is_mapping and collection.items % 2 == 0
    if is_key and value in collection.keys:
        raise InvalidSpec(f"line {line}: the key {value!r} is there twice in one mapping")
    if is_key:
        collection.keys.add(value)
