"""Text of others on a terminal: names of jobs, paths, what a server said."""

from itertools import accumulate
from unicodedata import combining, east_asian_width


def printable(text: str, longest: int = 100) -> str:
    """``text`` on one line, with nothing that a terminal would obey, and not too long."""
    safe = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
    return safe if len(safe) <= longest else f"{safe[: longest - 1]}…"


def columns(text: str) -> int:
    """That ``text`` takes on a terminal, where some letters take two and some none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """The beginning of ``text`` that has room in ``width`` columns."""
    if text.isascii():
        return text[:width]
    return "".join(
        letter
        for letter, end in zip(text, accumulate(map(_columns, text)), strict=True)
        if end <= width
    )


def _columns(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
