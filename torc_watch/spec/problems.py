"""Collects all problems of a specification for a single error message."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

from torc_watch.core.errors import InvalidSpec

_MAX_LINES = 20
_MAX_PER_LOCATION = 3  # a template repeats its mistake for each of its jobs
_MAX_COMPARED = 5_000  # names; comparing more would take too long


class Problems:
    def __init__(self) -> None:
        self._at: dict[str, dict[str, None]] = {}

    def add(self, where: str, what: str) -> None:
        self._at.setdefault(where, {})[what] = None

    def add_unknown(self, where: str, name: str, item_type: str, known: Collection[str]) -> None:
        """Adds an unknown name, with a similar known one as a suggestion."""
        is_shown = len(self._at) < _MAX_LINES and len(self._at.get(where, ())) < _MAX_PER_LOCATION
        shown = islice(known, _MAX_COMPARED) if is_shown else ()
        self.add(where, f"there is no {item_type} {quoted(name)}{suggestion(name, shown)}")

    def raise_if_any(self) -> None:
        """Raises InvalidSpec with a line per problem, and a few lines per location."""
        lines = [
            line for where, problems in self._at.items() for line in _lines(where, list(problems))
        ]
        if not lines:
            return
        if (more := len(lines) - _MAX_LINES) > 0:
            lines[_MAX_LINES:] = [f"and {more:,} more"]
        raise InvalidSpec("The workflow specification is not valid:\n  " + "\n  ".join(lines))


def quoted(name: str) -> str:
    """A name for a message: quoted, on one line, and at most 80 characters long."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name; empty if no known one is similar."""
    matches = get_close_matches(name, list(known), n=1)
    return f"; did you mean {quoted(matches[0])}?" if matches else ""


def _lines(where: str, problems: list[str]) -> list[str]:
    lines = [f"{where}: {what}" for what in problems[:_MAX_PER_LOCATION]]
    if (more := len(problems) - _MAX_PER_LOCATION) > 0:
        lines.append(f"{where}: and {more:,} more problems")
    return lines
