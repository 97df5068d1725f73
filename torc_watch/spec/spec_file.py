"""Reads workflow specifications in YAML, JSON, JSON5 and KDL, by the extension of the file."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import json5

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec import Spec, expand
from torc_watch.spec.bounded_text import read_standard_input, read_text
from torc_watch.spec.kdl_loader import parse_kdl
from torc_watch.spec.yaml_loader import parse_yaml

STANDARD_INPUT = Path("-")


def read_spec(path: Path) -> Spec:
    """The workflow that a file specifies, or the text on standard input for ``-``.

    Raises InvalidSpec with the file's name and, for syntax errors, the line.
    """
    name, parse, text = _standard_input() if path == STANDARD_INPUT else _file(path)
    try:
        return expand(parse(text))
    except RecursionError as error:
        raise InvalidSpec(f"{name}: lists and mappings are nested too deeply") from error
    except ValueError as error:
        # json5 reports the line as <string>:7
        raise InvalidSpec(f"{name}: {str(error).replace('<string>:', 'line ')}") from error


def _file(path: Path) -> tuple[str, Callable[[str], Any], str]:
    _refuse_other_things(path)
    extension = path.suffix.lower()
    if extension not in _PARSERS:
        raise InvalidSpec(f"{path}: specifications are read from {', '.join(_PARSERS)} files")
    return str(path), _PARSERS[extension], read_text(path)


def _standard_input() -> tuple[str, Callable[[str], Any], str]:
    if sys.stdin.isatty():
        raise InvalidSpec("Standard input is a terminal: send a specification to it.")
    text = read_standard_input()
    if not text.strip():
        raise InvalidSpec("Standard input is empty: send a specification to it.")
    return "Standard input", _parse_any, text


def _parse_any(text: str) -> Any:
    """In the order of Torc. Raises what the last one but KDL has against it."""
    parsers = [parse_yaml, parse_kdl]
    if text.lstrip().startswith(("{", "//", "/*")):
        parsers = [_parse_json, _parse_json5, *parsers]
    problems: list[ValueError] = []
    for parse in parsers:
        try:
            document = parse(text)
        except ValueError as error:
            problems.append(error)
        else:
            if isinstance(document, Mapping):
                return document
            problems.append(InvalidSpec("is no mapping in YAML, JSON or JSON5"))
    raise problems[-2]


def _refuse_other_things(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        is_number = path.name.isdecimal()
        what = "a specification, not a workflow's ID" if is_number else "a workflow specification"
        raise InvalidSpec(f"There is no file {path}: give {what}.") from None
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be read: {error.strerror}.") from error
    if S_ISDIR(mode):
        raise InvalidSpec(f"{path} is a folder: give a workflow specification.")


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeated_keys)
    except json.JSONDecodeError as error:
        raise InvalidSpec(f"line {error.lineno}: {error.msg}") from None


def _parse_json5(text: str) -> Any:
    return json5.loads(text, object_pairs_hook=_without_repeated_keys)


def _without_repeated_keys(pairs: Iterable[tuple[str, Any]]) -> Mapping[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise InvalidSpec(f"the key {key!r} is repeated in a mapping")
        mapping[key] = value
    return mapping


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
    ".json": _parse_json,
    ".json5": _parse_json5,
    ".kdl": parse_kdl,
}
