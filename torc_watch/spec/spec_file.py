"""Reads workflow specifications from YAML, JSON and JSON5 files, by file extension."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import json5

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec import Spec, expand
from torc_watch.spec.yaml_loader import parse_yaml


def read_spec(path: Path) -> Spec:
    """The workflow that a file specifies.

    Raises InvalidSpec with the file's name and, for syntax errors, the line.
    """
    _refuse_other_things(path)
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise InvalidSpec(f"{path}: specifications are read from {', '.join(_PARSERS)} files")
    try:
        return expand(parse(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidSpec(f"{path} is not UTF-8 text.") from error
    except RecursionError as error:
        raise InvalidSpec(f"{path}: lists and mappings are nested too deeply") from error
    except ValueError as error:
        # json5 reports the line as <string>:7
        raise InvalidSpec(f"{path}: {str(error).replace('<string>:', 'line ')}") from error


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
}
