"""The JSON of commands: one object, whose first key is the version of its shape (docs/json.md)."""

import json
from collections.abc import Mapping
from typing import Any

VERSION = 1  # to be raised when a key is removed or gets another meaning, not when one is added


def print_json(values: Mapping[str, Any]) -> None:
    print(json.dumps({"version": VERSION, **values}), flush=True)
