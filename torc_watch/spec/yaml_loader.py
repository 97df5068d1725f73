"""YAML as a specification may be written: YAML 1.2's plain types, and each key once.

PyYAML follows YAML 1.1, in which ``1:30`` is the number 90 and ``no`` is false, and lets the last
of equal keys win. Torc reads ranges and words there, refuses the keys, and so do we.
"""

import re
from typing import Any

import yaml

from torc_watch.core.errors import InvalidSpec

_DEEPEST = 100

_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc]  # whichever of the two it is, both are typed alike
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # the base class says how

    def get_single_node(self) -> yaml.Node | None:
        """The document, before merging (``<<``) gives mappings keys that they may repeat."""
        root: yaml.Node | None = super().get_single_node()
        _refuse_repeated_keys(root)
        return root


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


def parse_yaml(text: str) -> Any:
    """The value of a YAML document. Raises InvalidSpec with the line of what is wrong."""
    try:
        _refuse_depth(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidSpec(f"line {line}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise InvalidSpec(f"line {line}: a character that YAML does not allow") from None


def _refuse_depth(text: str) -> None:
    """Building what is nested thousands deep would overflow the C stack, which nobody can catch."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise InvalidSpec(f"line {line}: lists and mappings are nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_repeated_keys(root: yaml.Node | None) -> None:
    waiting = [] if root is None else [root]
    seen: set[yaml.Node] = set()
    while waiting:
        node = waiting.pop()
        if node in seen:  # an alias, perhaps of what it stands in
            continue
        seen.add(node)
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated_key(node)
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _refuse_repeated_key(mapping: yaml.MappingNode) -> None:
    keys = set()
    for key in (key for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)):
        if key.value in keys:
            line = key.start_mark.line + 1
            raise InvalidSpec(f"line {line}: the key {key.value!r} is there twice in one mapping")
        keys.add(key.value)
