"""The JSON of commands beside docs/json.md: every key is there, every key is described."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs/json.md"
_GROUPS = ("slurm", "jobs", "hpc", "config", "rules", "reports", "sandbox", "notify")
_PLAIN = {"string": str, "integer": int, "number": (int, float), "boolean": bool}

Rows = Mapping[str, str]  # the type of each key: `a`, `a.b` in an object, `a[].b` in a list


def documented() -> dict[str, Rows]:
    """The table of each command, and of each shape that several have, by the words of its title."""
    found: dict[str, Rows] = {}
    for section in _PAGE.read_text().split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", text, re.MULTILINE))
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", title), rows)
    return found


def command_of(words: str) -> str:
    """The words of a command line that name the command."""
    first, *others = words.split()
    return f"{first} {others[0]}" if first in _GROUPS else first


def assert_documented(command: str, values: Any) -> None:
    """``values`` are what ``command`` printed with --json."""
    problems = list(differences(command, values))
    assert not problems, "\n".join(problems)
    assert next(iter(values)) == "version"
    assert values["version"] == 1


def differences(command: str, values: Any) -> Iterator[str]:
    page = documented()
    yield from _in_object(values, page[command], page, command)


def _in_object(value: Any, rows: Rows, page: Mapping[str, Rows], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object: {value!r}"
        return
    keys = {key for key in rows if not re.search(r"[.\[]", key)}
    yield from (f"{where}: {key} is not described" for key in sorted(value.keys() - keys))
    yield from (f"{where}: {key} is missing" for key in sorted(keys - value.keys()))
    for key in sorted(keys & value.keys()):
        parts = {
            name.removeprefix(f"{key}[].").removeprefix(f"{key}."): kind
            for name, kind in rows.items()
            if name.startswith((f"{key}[].", f"{key}."))
        }
        yield from _of_type(value[key], rows[key], parts, page, f"{where} {key}")


def _of_type(
    value: Any, kind: str, parts: Rows, page: Mapping[str, Rows], where: str
) -> Iterator[str]:
    if kind.endswith(" or null"):
        if value is not None:
            yield from _of_type(value, kind.removesuffix(" or null"), parts, page, where)
    elif kind in _PLAIN:
        is_bool = isinstance(value, bool)
        if not isinstance(value, _PLAIN[kind]) or is_bool != (kind == "boolean"):  # type: ignore[arg-type]
            yield f"{where} is no {kind}: {value!r}"
    elif kind == "object":
        yield from _in_object(value, parts, page, where)
    elif named := re.fullmatch(r"\[(.+)\]\(#.+\)", kind):
        yield from _in_object(value, page[named[1]], page, where)
    elif kind != "any":
        yield from _of_several(value, kind, parts, page, where)


def _of_several(
    value: Any, kind: str, parts: Rows, page: Mapping[str, Rows], where: str
) -> Iterator[str]:
    if kind.startswith("map of ") and isinstance(value, dict):
        for key, each in value.items():
            yield from _of_type(each, kind.removeprefix("map of "), parts, page, f"{where} {key}")
    elif kind.startswith("list of ") and isinstance(value, list):
        for each in value:
            yield from _of_type(each, kind.removeprefix("list of "), parts, page, where)
    else:
        yield f"{where} is no {kind}: {value!r}"
