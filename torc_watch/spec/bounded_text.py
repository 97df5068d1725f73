"""Reads the text of a specification and of the files that it names, up to a size."""

import sys
from pathlib import Path
from typing import BinaryIO

from torc_watch.core.errors import InvalidSpec
from torc_watch.core.units import MIB, format_memory

MAX_SIZE = 64 * MIB  # of a specification, and of each file of values; docs/specifications.md


def read_text(path: Path) -> str:
    """The text of a file. Raises InvalidSpec if it cannot be read, or is longer than MAX_SIZE."""
    try:
        with path.open("rb") as file:
            return _decoded(file, f"{path}")
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be read: {error.strerror}") from error


def read_standard_input() -> str:
    """As ``read_text``."""
    return _decoded(sys.stdin.buffer, "Standard input")


def _decoded(file: BinaryIO, name: str) -> str:
    content = file.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise InvalidSpec(f"{name} is larger than {format_memory(MAX_SIZE)}, which is too large")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpec(f"{name} is not UTF-8 text") from error
