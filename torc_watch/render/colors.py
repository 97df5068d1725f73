"""Colors on a terminal, for states and errors; never in a pipe, nor where NO_COLOR forbids them."""

import os
from collections.abc import Mapping
from enum import IntEnum
from typing import TextIO


class Color(IntEnum):
    """SGR codes."""

    RED = 31
    GREEN = 32
    YELLOW = 33


def has_colors(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """https://no-color.org: a variable that is empty forbids nothing."""
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    return stream.isatty()


def painted(text: str, color: Color | None) -> str:
    return f"\x1b[{color}m{text}\x1b[0m" if color and text else text
