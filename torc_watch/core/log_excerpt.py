"""What is handed on of a log: its beginning and its end, how much that is, and text only."""

from collections.abc import Callable
from dataclasses import dataclass

from torc_watch.core.readable_text import is_text, readable

CONTEXT = 4096  # bytes around an excerpt: they tell secrets that it cuts in two

Redact = Callable[[str, int, int], str]  # a text between two places, without secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnds:
    """The bytes of a file of ``size``: see `excerpt`."""

    head: bytes
    tail: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExcerpt:
    """``note`` says what is not in ``text``, and is empty where it is all of the file."""

    text: str
    note: str = ""


def excerpt(ends: LogEnds, head: int, tail: int, redact: Redact) -> LogExcerpt:
    """The first ``head`` and the last ``tail`` bytes, up to the end of a line if one is near.

    ``ends`` has `CONTEXT` more of each, or the whole file in its head.
    """
    notes = []
    first, last = ends.head.decode(errors="replace"), ends.tail.decode(errors="replace")
    has_text = is_text(first) and is_text(last)
    is_whole = not ends.tail and ends.size <= head + tail
    if is_whole:
        text = _shown(first, 0, len(first), redact, has_text=has_text)
    else:
        beginning = _shown(first, 0, _end_of_line(first, head), redact, has_text=has_text)
        rest = last or first
        start = _begin_of_line(rest, max(0, len(rest) - tail))
        ending = _shown(rest, start, len(rest), redact, has_text=has_text)
        left_out = max(0, ends.size - head - tail)
        text = f"{beginning}\n[... about {left_out} bytes are left out here ...]\n{ending}"
        notes.append(f"the first {head} and the last {tail} of {ends.size} bytes")
    if not has_text:
        notes.append("it is not text: only what can be read of it")
    return LogExcerpt(text=text, note="; ".join(notes))


def _shown(text: str, start: int, end: int, redact: Redact, *, has_text: bool) -> str:
    if has_text:
        return redact(text, start, end)
    found = readable(text, start, end)
    return redact(found, 0, len(found))


def _end_of_line(text: str, end: int) -> int:
    found = text.rfind("\n", max(0, end - CONTEXT), end)
    return found + 1 if found >= 0 else min(end, len(text))


def _begin_of_line(text: str, start: int) -> int:
    found = text.find("\n", start, start + CONTEXT)
    return found + 1 if found >= 0 else start
