"""Which rows are shown, and in which order."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from torc_watch.daemon.workflow_view import Phase
from torc_watch.live_view.live_row import LiveRow
from torc_watch.render.status_table import failures

_DONE = ("completed", "disabled")
_BY_ATTENTION = (
    Phase.WAITING,
    Phase.RECOVERING,
    Phase.RESTING,
    Phase.WATCHING,
    Phase.STARTING,
    Phase.PAUSED,
)


class RowOrder(StrEnum):
    """The values are what the screen calls them."""

    ATTENTION = "needs attention first"
    ID = "by ID"
    NAME = "by name"
    FAILED = "most failures first"
    PROGRESS = "least progress first"

    @property
    def following(self) -> "RowOrder":
        orders = list(RowOrder)
        return orders[(orders.index(self) + 1) % len(orders)]


def chosen_rows(rows: Iterable[LiveRow], order: RowOrder, wanted: str) -> list[LiveRow]:
    """Those that have all words of ``wanted``, in any case."""
    words = wanted.casefold().split()
    found = [row for row in rows if all(word in row.search_text for word in words)]
    return sorted(found, key=lambda row: (_rank(row, order), row.key.workflow_id, row.key.server))


def _rank(row: LiveRow, order: RowOrder) -> Any:
    match order:
        case RowOrder.ATTENTION:
            return _attention(row)
        case RowOrder.NAME:
            return (row.view.name if row.view else "").casefold()
        case RowOrder.FAILED:
            return -int((failures(row.view) if row.view else "") or 0)
        case RowOrder.PROGRESS:
            return _share_done(row)
        case RowOrder.ID:
            return 0


def _attention(row: LiveRow) -> int:
    """A plan that waits for approval, an end without success, what the daemon works on, what runs,
    an end with success.
    """
    if row.view is None:
        return 1
    if row.proposal:
        return -1
    if row.view.phase is Phase.ENDED:
        return len(_BY_ATTENTION) + 1 if row.view.verdict == "succeeded" else 0
    return 1 + _BY_ATTENTION.index(row.view.phase)


def _share_done(row: LiveRow) -> float:
    if not row.counts:
        return 0.0
    done = sum(row.counts.get(status, 0) for status in _DONE)
    return done / sum(row.counts.values())
