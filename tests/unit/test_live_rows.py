"""What the live view shows of workflows: rows, columns, their order, and the lines around them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.workflow_view import AllocationsView, Phase, WorkflowView
from torc_watch.live_view.column_layout import BAR, GAP, column_layout
from torc_watch.live_view.glyphs import ASCII, UNICODE, Glyphs, glyphs_for, shown, shown_lines
from torc_watch.live_view.key_line import key_line
from torc_watch.live_view.live_row import (
    Column,
    LiveRow,
    allocations_in_short,
    allocations_text,
    last_text,
    live_row,
    next_text,
)
from torc_watch.live_view.live_state import LiveState
from torc_watch.live_view.progress_bar import progress_bar
from torc_watch.live_view.row_order import RowOrder, chosen_rows
from torc_watch.live_view.row_store import RowStore
from torc_watch.live_view.workflow_panel import panel_lines

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HELD = "is held (JobHeldUser): its owner holds it"
VIEW = WorkflowView(
    server="http://torc:8080/torc-service/v1",
    workflow_id=42,
    name="train",
    phase=Phase.WATCHING,
    counts={"completed": 94, "disabled": 1, "failed": 2, "terminated": 1, "running": 2},
    round=1,
    max_retries=3,
    last_event="recovery.initiated",
    last_event_at="2026-01-01T11:57:00+00:00",
    next_look="2026-01-01T12:00:40+00:00",
    allocations=AllocationsView(running=1, queued=2, details=(HELD,)),
)
ENDED = replace(
    VIEW, phase=Phase.ENDED, verdict="exhausted", reason="Three rounds.", allocations=None
)


def row(view: WorkflowView, *waiting: Action, glyphs: Glyphs = UNICODE) -> LiveRow:
    return live_row(view.key, view, waiting, glyphs)


@pytest.mark.parametrize(
    ("counts", "bar"),
    [
        (None, ""),
        ({}, ""),
        ({"completed": 10}, "██████████"),
        ({"completed": 5, "ready": 5}, "█████·····"),
        ({"completed": 1, "running": 1, "blocked": 1, "failed": 1}, "████▒▒··xx"),
        ({"completed": 4999, "failed": 1}, "█████████x"),
        ({"completed": 4999, "ready": 1}, "█████████·"),
        ({"completed": 1, "ready": 4999}, "█·········"),
        ({"canceled": 3}, "xxxxxxxxxx"),
        ({"unrecognized": 3}, "··········"),
    ],
)
def test_progress_bar(counts: dict[str, int] | None, bar: str) -> None:
    assert progress_bar(counts, 10, UNICODE) == bar
    plain = progress_bar(counts, 10, ASCII)
    assert plain == bar.translate(str.maketrans("█▒·", "#+."))


STATUSES = st.sampled_from(["completed", "disabled", "running", "failed", "ready", "blocked"])


@given(st.dictionaries(STATUSES, st.integers(1, 10**6), min_size=1), st.integers(4, 60))
def test_progress_bar_shows_all_that_there_is(counts: dict[str, int], width: int) -> None:
    bar = progress_bar(counts, width, ASCII)
    assert len(bar) == width
    assert ("#" in bar) == bool({"completed", "disabled"} & counts.keys())
    assert ("x" in bar) == ("failed" in counts)
    assert ("+" in bar) == ("running" in counts)
    assert ("." in bar) == bool({"ready", "blocked"} & counts.keys())


def test_cells_of_a_row() -> None:
    shown_row = row(VIEW)
    assert shown_row.cells == {
        Column.ID: "42",
        Column.SERVER: "torc:8080",
        Column.NAME: "train",
        Column.STATE: "watching",
        Column.DONE: "95/100",
        Column.FAILED: "3",
        Column.ALLOCATIONS: "1r 2q",
        Column.ROUND: "1/3",
    }
    assert next_text(shown_row, NOW) == "in 40 s"
    assert last_text(shown_row, NOW, UNICODE) == f"jobs resubmitted 3 min ago; {HELD}"
    assert row(ENDED).cells[Column.STATE] == "exhausted"
    assert last_text(row(ENDED, Action.RESUME), NOW, UNICODE) == (
        "resume waits for the daemon; 3 min ago: Three rounds."
    )


def test_workflow_that_no_daemon_has_taken() -> None:
    key = WorkflowKey("http://torc", 7)
    added = live_row(key, None, [Action.ADD], UNICODE)
    assert added.cells[Column.STATE] == "added"
    assert next_text(added, NOW) == ""
    assert last_text(added, NOW, UNICODE) == "add waits for the daemon"
    assert next(iter(panel_lines(added, NOW, UNICODE))) == "Workflow 7 on torc"


@pytest.mark.parametrize(
    ("allocations", "short", "text"),
    [
        (None, "", ""),
        (AllocationsView(), "", ""),
        (AllocationsView(running=2), "2r", "2 running"),
        (AllocationsView(queued=3), "3q", "3 queued, which wait for their turn"),
        (
            AllocationsView(running=1, queued=2, unclear=4, details=("a", "b")),
            "1r 2q 4?",
            "1 running, 2 queued, 4 of which the scheduler says nothing: a; b",
        ),
    ],
)
def test_allocations(allocations: AllocationsView | None, short: str, text: str) -> None:
    assert (allocations_in_short(allocations), allocations_text(allocations)) == (short, text)


HOSTILE = "[red]\x1b[2J\u202eevil\n[/red]"


def test_untrusted_text_is_one_line_without_control_characters() -> None:
    hostile = replace(
        VIEW,
        name=HOSTILE,
        reason=HOSTILE,
        allocations=AllocationsView(queued=1, details=(HOSTILE,)),
    )
    texts = [*row(hostile).cells.values(), last_text(row(hostile), NOW, UNICODE)]
    texts += panel_lines(row(hostile), NOW, UNICODE)
    assert all(text.isprintable() for text in texts)
    assert any("[red]" in text for text in texts)
    assert shown_lines(["a\x1b[2J", "b\tc"], UNICODE) == "a\\x1b[2J\nb       c"


def test_terminal_without_unicode_gets_none() -> None:
    assert glyphs_for("utf-8") is glyphs_for("UTF8") is UNICODE
    assert glyphs_for("iso8859-1") is ASCII
    assert shown("na\u00efve", ASCII) == "na\\xefve"
    assert row(replace(VIEW, name="\u540d"), glyphs=ASCII).cells[Column.NAME] == "\\u540d"


LONGEST = {
    Column.ID: 4,
    Column.NAME: 50,
    Column.STATE: 11,
    Column.DONE: 9,
    Column.FAILED: 1,
    Column.ALLOCATIONS: 5,
    Column.ROUND: 3,
}


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (10, "ID"),
        (37, "ID NAME STATE"),
        (50, "ID NAME STATE DONE FAILED"),
        (77, "ID NAME STATE PROGRESS DONE FAILED ALLOC ROUND"),
        (90, "ID NAME STATE PROGRESS DONE FAILED ALLOC ROUND NEXT"),
        (117, "ID NAME STATE PROGRESS DONE FAILED ALLOC ROUND NEXT LAST"),
    ],
)
def test_columns_that_fit(width: int, columns: str) -> None:
    assert " ".join(column for column, _ in column_layout(width, LONGEST)) == columns


@given(st.integers(1, 300))
def test_columns_never_exceed_the_width(width: int) -> None:
    layout = column_layout(width, LONGEST | {Column.SERVER: 20})
    sizes = dict(layout)
    assert len(layout) == 1 or sum(size + GAP for size in sizes.values()) <= width + GAP
    assert sizes.get(Column.NAME, 12) >= 12
    assert sizes.get(Column.PROGRESS, BAR) == BAR


def test_column_that_nothing_is_in_is_left_out() -> None:
    layout = dict(column_layout(200, LONGEST | {Column.ALLOCATIONS: 0, Column.ROUND: 0}))
    assert Column.ALLOCATIONS not in layout
    assert Column.ROUND not in layout


SUCCEEDED = replace(ENDED, workflow_id=1, verdict="succeeded", counts={"completed": 2})
WAITING = replace(VIEW, workflow_id=2, phase=Phase.WAITING, name="Alpha", counts=None)
PAUSED = replace(VIEW, workflow_id=3, phase=Phase.PAUSED, name="beta", counts={"ready": 5})
ROWS = [row(view) for view in (SUCCEEDED, WAITING, PAUSED, ENDED, replace(VIEW, workflow_id=9))]


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        (RowOrder.ATTENTION, [42, 2, 9, 3, 1]),
        (RowOrder.ID, [1, 2, 3, 9, 42]),
        (RowOrder.NAME, [2, 3, 1, 9, 42]),
        (RowOrder.FAILED, [9, 42, 1, 2, 3]),
        (RowOrder.PROGRESS, [2, 3, 9, 42, 1]),
    ],
)
def test_orders(order: RowOrder, ids: list[int]) -> None:
    assert [each.key.workflow_id for each in chosen_rows(ROWS, order, "")] == ids
    assert [*map(str, RowOrder)].count(order.following) == 1


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ("ALPHA", [2]),
        ("paused", [3]),
        ("three", [1, 42]),
        ("train exhausted", [42]),
        ("torc:8080", [1, 2, 3, 9, 42]),
        ("no such", []),
        ("[", []),
    ],
)
def test_filter(wanted: str, ids: list[int]) -> None:
    assert [each.key.workflow_id for each in chosen_rows(ROWS, RowOrder.ID, wanted)] == ids


def test_only_changed_rows_are_made_anew() -> None:
    store = RowStore(UNICODE)
    assert store.update(LiveState(views=(VIEW, PAUSED)))
    before = {each.key: each for each in store.rows()}
    assert not store.update(LiveState(views=(VIEW, PAUSED), notice="?"))
    changed = replace(PAUSED, phase=Phase.WATCHING)
    assert store.update(LiveState(views=(VIEW, changed)))
    after = {each.key: each for each in store.rows()}
    assert after[VIEW.key] is before[VIEW.key]
    assert after[PAUSED.key].view == changed
    assert store.update(LiveState(views=(VIEW,), waiting={VIEW.key: (Action.PAUSE,)}))
    assert [each.waiting for each in store.rows()] == [(Action.PAUSE,)]


def test_servers_are_shown_where_there_are_several() -> None:
    store = RowStore(UNICODE)
    store.update(LiveState(views=(VIEW,)))
    assert Column.SERVER not in store.longest()
    store.update(LiveState(views=(VIEW, replace(VIEW, server="http://other"))))
    assert store.longest()[Column.SERVER] == len("torc:8080")


def test_panel_says_what_allocations_wait_for() -> None:
    assert list(panel_lines(row(VIEW), NOW, UNICODE)) == [
        "Workflow 42 (train) on torc:8080",
        "watching, 95/100 jobs done, 3 failed, round 1/3, next poll in 40 s",
        f"Allocations: 1 running, 2 queued: {HELD}",
        "Last event: jobs resubmitted, 3 min ago",
    ]
    assert list(panel_lines(None, NOW, UNICODE)) == []


@pytest.mark.parametrize(
    ("view", "width", "line"),
    [
        (VIEW, 6, "q quit"),
        (VIEW, 14, "? help  q quit"),
        (VIEW, 40, "s status  w why  p pause  ? help  q quit"),
        (ENDED, 45, "s status  w why  p resume  ? help  q quit"),
    ],
)
def test_keys_that_fit(view: WorkflowView, width: int, line: str) -> None:
    assert key_line(row(view), width) == line
    assert len(key_line(row(view), 80)) <= 80
    assert "resume" not in key_line(None, 80)
