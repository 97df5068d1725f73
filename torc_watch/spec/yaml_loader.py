"""Parses YAML with the types of YAML 1.2, and refuses repeated keys.

PyYAML implements YAML 1.1, in which ``1:30`` is the number 90 and ``no`` is false, and accepts
repeated keys. As in Torc, both are texts here, and repeated keys are an error.
"""

import re
from typing import Any

import yaml

from torc_watch.core.errors import InvalidSpec

_MAX_DEPTH = 100
_MAX_GROWTH = 100  # times what is written

_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc]  # both loaders have the same interface
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # as in the base class

    def get_single_node(self) -> yaml.Node | None:
        """Checks for repeated keys before merging (``<<``), which may repeat keys legally."""
        root: yaml.Node | None = super().get_single_node()
        if root is not None and _refuse_repeated_keys(root):
            _refuse_growth(root)
        return root


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)", "-+0123456789"),
    (
        "float",
        (
            r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), list(_first)
    )


def parse_yaml(text: str) -> Any:
    """The value of a YAML document. Raises InvalidSpec with the line of the error."""
    try:
        _refuse_depth(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidSpec(f"line {line}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise InvalidSpec(f"line {line}: a character that is not allowed in YAML") from None


def compose_yaml(text: str) -> yaml.Node | None:
    """The nodes of a document that ``parse_yaml`` accepts, with their places in the text."""
    root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return root


def _refuse_depth(text: str) -> None:
    """Deeper nesting could overflow the C stack, which cannot be caught."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise InvalidSpec(f"line {line}: lists and mappings are nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_repeated_keys(root: yaml.Node) -> bool:
    """Whether there are aliases."""
    pending = [root]
    seen: set[yaml.Node] = set()
    has_aliases = False
    while pending:
        node = pending.pop()
        if node in seen:  # an alias, possibly of a parent
            has_aliases = True
            continue
        seen.add(node)
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated_key(node)
        pending += _parts(node)
    return has_aliases


def _refuse_growth(root: yaml.Node) -> None:
    """Aliases of aliases can stand for more than fits into any memory, in a few lines."""
    sizes: dict[yaml.Node, int] = {}
    pending = [root]
    while pending:
        node = pending[-1]
        if node not in sizes:
            sizes[node] = 1  # also if it is its own part, which is refused elsewhere
            pending += [part for part in _parts(node) if part not in sizes]
        else:
            pending.pop()
            sizes[node] = 1 + sum(sizes[part] for part in _parts(node))
    if sizes[root] > _MAX_GROWTH * len(sizes):
        raise InvalidSpec("aliases repeat too much of the text")


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_repeated_key(mapping: yaml.MappingNode) -> None:
    keys = set()
    for key in (key for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)):
        if key.value in keys:
            line = key.start_mark.line + 1
            raise InvalidSpec(f"line {line}: the key {key.value!r} is repeated in a mapping")
        keys.add(key.value)
