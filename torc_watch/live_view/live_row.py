"""One workflow as a row: the text of its cells, and what a filter and an order look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from torc_watch.core.waiting_plan import WaitingPlan
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.workflow_view import AllocationsView, Phase, WorkflowView
from torc_watch.live_view.glyphs import Glyphs, shown
from torc_watch.render.colors import Color
from torc_watch.render.event_words import event_words
from torc_watch.render.status_table import (
    failures,
    host,
    progress,
    rounds,
    state,
    state_color,
    waiting_text,
)
from torc_watch.render.time_text import ago, until, waits_until

_MAX_NAME = 100
_MAX_REASON = 300
_WAITS_FOR_APPROVAL = "approval"  # in place of a state


class Column(StrEnum):
    """The values are the heads."""

    ID = "ID"
    NAME = "NAME"
    SERVER = "SERVER"
    STATE = "STATE"
    PROGRESS = "PROGRESS"
    DONE = "DONE"
    FAILED = "FAILED"
    ALLOCATIONS = "ALLOC"
    ROUND = "ROUND"
    NEXT = "NEXT"
    LAST = "LAST"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRow:
    """``view`` is None before a daemon has taken the workflow; ``waiting`` are its commands.

    ``cells`` are those that do not change by themselves; the others are made when they are shown.
    """

    key: WorkflowKey
    view: WorkflowView | None
    waiting: tuple[Action, ...]
    cells: dict[Column, str]
    color: Color | None
    search_text: str

    @property
    def proposal(self) -> WaitingPlan | None:
        return self.view.proposal if self.view else None

    @property
    def counts(self) -> dict[str, int] | None:
        return self.view.counts if self.view else None


def live_row(
    key: WorkflowKey, view: WorkflowView | None, waiting: Sequence[Action], glyphs: Glyphs
) -> LiveRow:
    cells = _cells(key, view, glyphs)
    text = f"{' '.join(cells.values())} {view.reason if view else ''}"
    return LiveRow(
        key=key,
        view=view,
        waiting=tuple(waiting),
        cells=cells,
        color=state_color(view) if view else None,
        search_text=text.casefold(),
    )


def _cells(key: WorkflowKey, view: WorkflowView | None, glyphs: Glyphs) -> dict[Column, str]:
    cells = {
        Column.ID: str(key.workflow_id),
        Column.SERVER: shown(host(key.server), glyphs),
        Column.STATE: "added",
    }
    if view is None:
        return cells
    failed = failures(view)
    return cells | {
        Column.NAME: shown(view.name, glyphs, _MAX_NAME),
        Column.STATE: _WAITS_FOR_APPROVAL if view.proposal else state(view),
        Column.DONE: progress(view),
        Column.FAILED: "" if failed == "0" else failed,
        Column.ALLOCATIONS: allocations_in_short(view.allocations),
        Column.ROUND: rounds(view),
    }


def allocations_in_short(allocations: AllocationsView | None) -> str:
    """Such as ``1r 2q``: running, queued; ``?`` are those of which the scheduler says nothing."""
    if allocations is None:
        return ""
    numbers = (
        (allocations.running, "r"),
        (allocations.queued, "q"),
        (allocations.unclear, "?"),
    )
    return " ".join(f"{number}{letter}" for number, letter in numbers if number)


def allocations_text(allocations: AllocationsView | None) -> str:
    """Such as ``2 running, 3 queued: cannot start now (PartitionDown)``; empty without any."""
    if allocations is None:
        return ""
    numbers = (
        (allocations.running, "running"),
        (allocations.queued, "queued"),
        (allocations.unclear, "of which the scheduler says nothing"),
    )
    words = ", ".join(f"{number} {word}" for number, word in numbers if number)
    waits = "; ".join(allocations.details)
    if allocations.queued:
        words += f": {waits}" if waits else ", which wait for their turn"
    return words


def next_text(row: LiveRow, now: datetime) -> str:
    """When something happens next: jobs run again, or else the workflow is polled."""
    moment = row.view and (row.view.waits_until or row.view.next_look)
    return until(moment, now) if moment else ""


def last_text(row: LiveRow, now: datetime, glyphs: Glyphs) -> str:
    """What happened last, what the workflow waits for, and commands that wait for the daemon."""
    parts = [waiting_text(row.waiting)]
    if view := row.view:
        parts.append(shown(_last(view, now), glyphs, _MAX_REASON))
        if view.allocations and view.allocations.details:
            parts.append(shown(view.allocations.details[0], glyphs, _MAX_REASON))
    return "; ".join(filter(None, parts))


def _last(view: WorkflowView, now: datetime) -> str:
    if view.waits_until:
        return f"waits {waits_until(datetime.fromisoformat(view.waits_until), view.reason)}"
    if view.proposal:
        return f"waits {view.reason}"
    is_ended = view.phase is Phase.ENDED
    event = "" if is_ended or not view.last_event else event_words(view.last_event)
    when = ago(view.last_event_at, now) if view.last_event else ""
    return ": ".join(filter(None, (f"{event} {when}".strip(), view.reason)))
