"""Answers have a bound: as many rows as fit, and how to get the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from torc_watch.render.terminal_text import printable

BUDGET = 8000  # bytes of the rows of one answer, as JSON: about 2,000 tokens
LONGEST_NAME = 80  # characters: of jobs, workflows, users
LONGEST_TEXT = 300  # of a reason or a note

Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """Some of ``total`` rows. ``more`` says how to get the next ones, None at the end."""

    rows: list[Row]
    total: int
    more: str | None


def page_of(rows: Sequence[Row], *, limit: int, offset: int = 0, budget: int = BUDGET) -> Page[Row]:
    """From ``offset`` on, at most ``limit`` rows, and at least one if there is one.

    A row is to be so small that several fit into the budget (bytes).
    """
    found: list[Row] = []
    left = budget
    for row in rows[offset : offset + limit]:
        left -= size_of_row(row)
        if found and left < 0:
            break
        found.append(row)
    end = offset + len(found)
    total = len(rows)
    more = f"{end - offset} of {total} are here; the next ones: offset={end}"
    return Page(rows=found, total=total, more=more if found and end < total else None)


def size_of_row(row: BaseModel) -> int:
    """In bytes, as JSON in a list."""
    return len(row.model_dump_json(exclude_none=True).encode()) + 1


def name(text: str) -> str:
    """A name that a user chose: one line, without control characters."""
    return printable(text, LONGEST_NAME)


def sentence(text: str) -> str:
    return printable(text, LONGEST_TEXT)


def sentences(texts: Sequence[str], most: int) -> list[str]:
    """The first ones, and how many there are more."""
    left = len(texts) - most
    return [*map(sentence, texts[:most]), *([f"... and {left} more"] if left > 0 else [])]
