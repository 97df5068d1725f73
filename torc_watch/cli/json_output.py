"""The JSON of commands: one object, whose first key is the version of its shape (docs/json.md)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

VERSION = 1  # to be raised when a key is removed or gets another meaning, not when one is added


def json_text(values: Mapping[str, Any]) -> str:
    return json.dumps({"version": VERSION, **values})


def print_json(values: Mapping[str, Any]) -> None:
    print(json_text(values), flush=True)


def print_json_list(values: Mapping[str, Any], key: str, items: Iterable[Any]) -> None:
    """The same with a list, whose text is never in memory as a whole, under its last ``key``."""
    print(json.dumps({"version": VERSION, **values})[:-1], end=f", {json.dumps(key)}: [")
    for index, item in enumerate(items):
        print(", " if index else "", json.dumps(item), sep="", end="")
    print("]}", flush=True)
