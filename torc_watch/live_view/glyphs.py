"""The characters of the screen, and text in those that a terminal can show."""

from collections.abc import Iterable
from dataclasses import dataclass

from torc_watch.render.terminal_text import printable, printable_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """One character each. Unless ``is_ascii``, names are shown in the characters that they have."""

    done: str
    running: str
    failed: str
    left: str
    rule: str
    cut: str
    is_ascii: bool


UNICODE = Glyphs(done="█", running="▒", failed="x", left="·", rule="─", cut="…", is_ascii=False)
ASCII = Glyphs(done="#", running="+", failed="x", left=".", rule="-", cut="~", is_ascii=True)


def glyphs_for(encoding: str) -> Glyphs:
    """Of a terminal with this encoding."""
    return UNICODE if encoding.lower().replace("-", "") == "utf8" else ASCII


def shown_lines(lines: Iterable[str], glyphs: Glyphs) -> str:
    """Whole text, which may be untrusted, without control characters other than ends of lines."""
    safe = printable_lines("\n".join(lines)).expandtabs()
    return safe.encode("ascii", "backslashreplace").decode() if glyphs.is_ascii else safe


def shown(text: str, glyphs: Glyphs, max_length: int = 100) -> str:
    """Untrusted ``text`` on one line, without control characters."""
    safe = printable(text, max_length)
    return safe.encode("ascii", "backslashreplace").decode() if glyphs.is_ascii else safe
