"""Safe text for a terminal: names of jobs, paths, messages of a server."""

from itertools import accumulate
from unicodedata import combining, east_asian_width


def printable(text: str, max_length: int = 100) -> str:
    """``text`` on one line, without control characters, and at most ``max_length`` long."""
    safe = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
    return safe if len(safe) <= max_length else f"{safe[: max_length - 1]}…"


def printable_lines(text: str) -> str:
    """``text`` without control characters other than the ends of lines and tabs."""
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def columns(text: str) -> int:
    """The width of ``text`` on a terminal, where some characters take two columns or none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """The start of ``text`` that fits into ``width`` columns."""
    if text.isascii():
        return text[:width]
    return "".join(
        character
        for character, end in zip(text, accumulate(map(_columns, text)), strict=True)
        if end <= width
    )


def _columns(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
