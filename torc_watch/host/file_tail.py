"""The last lines of a file."""

import os
from pathlib import Path

_TAIL = 4096  # bytes


def last_lines(path: Path) -> list[str]:
    """The stripped lines in the last 4 KiB of a file; empty if the file cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines]
