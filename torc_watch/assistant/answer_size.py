"""Answers have a bound: as many entries as fit, and how to get the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from pydantic import BaseModel

from torc_watch.render.terminal_text import printable

BUDGET = 8000  # bytes of the entries of one answer, as JSON: about 2,000 tokens
LONGEST_NAME = 80  # characters: of jobs, workflows, users
LONGEST_TEXT = 300  # of a reason or a note

EntryT = TypeVar("EntryT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPage(Generic[EntryT]):
    """Some of ``total`` entries. ``more`` says how to get the next ones, None at the end."""

    entries: list[EntryT]
    total: int
    more: str | None


def page_of(
    entries: Sequence[EntryT], *, limit: int, offset: int = 0, budget: int = BUDGET
) -> AnswerPage[EntryT]:
    """From ``offset`` on, at most ``limit`` entries, and at least one if there is one.

    An entry is to be so small that several fit into the budget (bytes).
    """
    found: list[EntryT] = []
    left = budget
    for entry in entries[offset : offset + limit]:
        left -= size_of(entry)
        if found and left < 0:
            break
        found.append(entry)
    end = offset + len(found)
    total = len(entries)
    more = f"{end - offset} of {total} are here; the next ones: offset={end}"
    return AnswerPage(entries=found, total=total, more=more if found and end < total else None)


def size_of(entry: BaseModel) -> int:
    """In bytes, as JSON in a list."""
    return len(entry.model_dump_json(exclude_none=True).encode()) + 1


def name(text: str) -> str:
    """A name that a user chose: one line, without control characters."""
    return printable(text, LONGEST_NAME)


def sentence(text: str) -> str:
    return printable(text, LONGEST_TEXT)


def sentences(texts: Sequence[str], most: int) -> list[str]:
    """The first ones, within the budget, and how many there are more."""
    ends = accumulate(len(sentence(text).encode()) for text in texts[:most])
    fit = sum(end <= BUDGET for end in ends)
    left = len(texts) - fit
    return [*map(sentence, texts[:fit]), *([f"... and {left} more"] if left else [])]
