"""What is wrong with a specification, all of it, said once at the end."""

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice

from torc_watch.core.errors import InvalidSpec

_SHOWN = 20
_SHOWN_AT_ONE_PLACE = 3  # a template of many jobs repeats its mistake for each of them
_COMPARED = 5_000  # names; comparing more takes longer than a person waits


class Problems:
    def __init__(self) -> None:
        self._at: dict[str, dict[str, None]] = {}

    def add(self, where: str, what: str) -> None:
        self._at.setdefault(where, {})[what] = None

    def add_unknown(self, where: str, name: str, thing: str, known: Collection[str]) -> None:
        """There is no such thing; a name that is nearly the same is offered."""
        is_shown = len(self._at) < _SHOWN and len(self._at.get(where, ())) < _SHOWN_AT_ONE_PLACE
        self.add(where, f"there is no {thing} {shown(name)}{_nearest(name, known, is_shown)}")

    def raise_if_any(self) -> None:
        """Raises InvalidSpec with a line for each problem; many at one place become one line."""
        lines = [line for where, whats in self._at.items() for line in _lines(where, list(whats))]
        if not lines:
            return
        if (more := len(lines) - _SHOWN) > 0:
            lines[_SHOWN:] = [f"and {more:,} more"]
        raise InvalidSpec("The workflow specification is not valid:\n  " + "\n  ".join(lines))


def shown(name: str) -> str:
    """A name as a message may carry it: quoted, on one line, and not endless."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def _nearest(name: str, known: Collection[str], is_shown: bool) -> str:
    candidates = islice(known, _COMPARED) if is_shown else ()
    matches = get_close_matches(name, candidates, n=1)
    return f"; did you mean {shown(matches[0])}?" if matches else ""


def _lines(where: str, whats: list[str]) -> list[str]:
    lines = [f"{where}: {what}" for what in whats[:_SHOWN_AT_ONE_PLACE]]
    if (more := len(whats) - _SHOWN_AT_ONE_PLACE) > 0:
        lines.append(f"{where}: and {more:,} more of the kind")
    return lines
