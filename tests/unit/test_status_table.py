"""The daemon's workflows as a table and as a summary, and one of them as text."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.workflow_view import Phase, WorkflowView
from torc_watch.render.status_table import (
    summary,
    table,
    unwatched_text,
    watch_states,
    workflow_text,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WATCHED = WorkflowView(
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
)
ENDED = WorkflowView(
    server=WATCHED.server,
    workflow_id=7,
    phase=Phase.ENDED,
    verdict="handed_over",
    last_event="watch.ended",
    last_event_at="2026-01-01T11:59:50+00:00",
    reason="None of the failed jobs may be retried.",
)


def lines(*views: WorkflowView, width: int = 80) -> list[str]:
    return list(table(views, NOW, width))


def test_table_of_workflows() -> None:
    assert lines(WATCHED, ENDED) == [
        "ID  NAME   STATE        DONE    FAILED  ROUND  NEXT     LAST",
        " 7         handed over                                  10 s ago: None of the fa",
        "42  train  watching     95/100  3       1/3    in 40 s  jobs resubmitted 3 min a",
    ]


def test_wait_is_told_once_and_until_when() -> None:
    waits = replace(
        WATCHED,
        phase=Phase.WAITING,
        waits_until="2026-01-01T12:08:00+00:00",
        reason="to run 1 job again: network unwell",
        last_event="retry.postponed",
        next_look="2026-01-01T12:00:00+00:00",
    )
    (_, line) = lines(waits, width=0)
    assert "  in 8 min  waits until 2026-01-01 " in line
    assert line.endswith(":08 to run 1 job again: network unwell")


def test_table_in_a_pipe_is_complete_without_empty_columns() -> None:
    name = 9 * "long name "
    assert lines(replace(ENDED, name=name), width=0) == [
        f"ID  {'NAME':90}  STATE        DONE  FAILED  LAST",
        f" 7  {name}  handed over                10 s ago: {ENDED.reason}",
    ]


@pytest.mark.parametrize(("width", "shown"), [(40, "a long name…"), (80, "a long name with no…")])
def test_long_name_is_cut_to_a_quarter_of_the_width(width: int, shown: str) -> None:
    named = replace(WATCHED, name="a long name with no end")
    assert f"42  {shown}  watching" in lines(named, width=width)[1]


def test_server_column_is_shown_if_there_are_several() -> None:
    other = replace(ENDED, server="http://b:1/torc-service/v1", workflow_id=42, reason="")
    assert [line[:60].rstrip() for line in lines(WATCHED, other, width=120)[1:]] == [
        "42         b:1        handed over",
        "42  train  torc:8080  watching     95/100  3       1/3    in",
    ]


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_lines_fit_the_terminal_and_have_no_control_characters(width: int) -> None:
    hostile = replace(WATCHED, name=20 * "\x1b[2J", reason="\x1b[2J" + "so much text\n" * 50)
    for line in lines(hostile, WATCHED, width=width):
        assert len(line) <= width
        assert line.isprintable()


def test_wide_and_combining_characters_keep_columns_aligned() -> None:
    wide, none = (
        replace(WATCHED, name="\u540d\u524d" * 20),
        replace(WATCHED, name="re\u0301sume\u0301"),
    )
    head, *rows = lines(wide, none, width=80)
    assert rows[0].startswith("42  " + "\u540d\u524d" * 4 + "\u540d\u2026  watching")
    assert rows[1].startswith(f"42  re\u0301sume\u0301{15 * ' '}watching")
    assert head.startswith(f"ID  NAME{17 * ' '}STATE")


def test_empty_table_says_how_to_add_a_workflow() -> None:
    assert lines() == ["No workflows are watched. Add one with: torc-watchd add ID"]


def test_commands_that_wait_are_in_the_table() -> None:
    waiting = {
        WATCHED.key: [Action.PAUSE, Action.SET],
        ENDED.key._replace(workflow_id=50): [Action.ADD],
    }
    waits = "pause, set wait for the daemon"
    assert list(table([WATCHED], NOW, waiting=waiting)) == [
        "ID  NAME   STATE     DONE    FAILED  ROUND  NEXT     LAST",
        f"42  train  watching  95/100  3       1/3    in 40 s  {waits}; jobs resubmitted 3 min ago",
        "50         added                                     add waits for the daemon",
    ]
    assert watch_states([WATCHED], waiting) == {
        WATCHED.key: "watching",
        WorkflowKey(WATCHED.server, 50): "added",
    }
    (*_, line) = list(workflow_text(WATCHED.key, WATCHED, NOW, [Action.PAUSE]))[:3]
    assert line == "Pause waits for the daemon."


@pytest.mark.parametrize(("url", "option"), [(None, ""), ("http://host", " --url http://host")])
def test_text_of_a_workflow_that_is_not_watched(url: str | None, option: str) -> None:
    key = WorkflowKey("http://torc", 7)
    assert list(unwatched_text(key, "a\nb", url)) == [
        "Workflow 7 (a\\nb) on http://torc",
        f"The daemon does not watch it. To change that: torc-watchd add 7{option}",
    ]


@pytest.mark.parametrize(
    ("view", "painted"),
    [
        (ENDED, "\x1b[31mhanded over\x1b[0m"),
        (replace(ENDED, verdict="succeeded"), "\x1b[32msucceeded\x1b[0m"),
        (replace(WATCHED, phase=Phase.PAUSED), "\x1b[33mpaused\x1b[0m"),
        (replace(WATCHED, name="\u540d\u524d", phase=Phase.WAITING), "\x1b[33mwaiting\x1b[0m"),
    ],
)
def test_state_has_a_color_on_a_terminal(view: WorkflowView, painted: str) -> None:
    (head, line) = table([view], NOW, 80, colored=True)
    assert painted in line
    assert "\x1b" not in head
    plain = line.replace("\x1b[0m", "").replace(painted[:5], "")
    assert [head, plain] == list(table([view], NOW, 80))
    assert painted in list(workflow_text(view.key, view, NOW, colored=True))[1]
    assert "\x1b[3" not in next(iter(list(table([WATCHED], NOW, colored=True))[1:]))


@pytest.mark.parametrize("width", range(1, 60))
def test_color_is_closed_where_a_line_is_cut(width: int) -> None:
    line = list(table([ENDED], NOW, width, colored=True))[1]
    assert line.count("\x1b[31m") == line.count("\x1b[0m")


def test_wait_before_jobs_run_again() -> None:
    waiting = replace(
        WATCHED,
        phase=Phase.WAITING,
        reason="to run 3 jobs again: file system unwell",
        waits_until="2026-01-01T14:05:00+00:00",
    )
    until = datetime(2026, 1, 1, 14, 5, tzinfo=UTC).astimezone()
    expected = f"waits until {until:%Y-%m-%d %H:%M} to run 3 jobs again: file system unwell"
    assert expected in list(workflow_text(waiting.key, waiting, NOW))
    assert lines(waiting, width=0)[1].endswith(expected)


def test_reason_why_failed_jobs_wait_is_shown_while_the_workflow_is_watched() -> None:
    view = replace(WATCHED, in_place_off="plans wait for approval")
    line = "Failed jobs wait until no others run: plans wait for approval."
    assert line in list(workflow_text(view.key, view, NOW))
    ended = replace(view, phase=Phase.ENDED, verdict="succeeded")
    assert line not in list(workflow_text(view.key, ended, NOW))


def test_text_of_one_workflow() -> None:
    waiting = replace(WATCHED, phase=Phase.WAITING, reason="No answer.")
    assert list(workflow_text(WorkflowKey("http://torc", 42), waiting, NOW)) == [
        "Workflow 42 (train) on http://torc",
        "waiting, 95/100 jobs done, 3 failed, round 1/3, next poll in 40 s",
        "Last event: jobs resubmitted, 3 min ago",
        "No answer.",
    ]
    assert list(workflow_text(WorkflowKey("http://torc", 7), ENDED, NOW))[1:] == [
        "handed over",
        "Last event: watch ended, 10 s ago",
        ENDED.reason,
        "What was done for it: torc-watchd history 7, or: torc-watchd logs 7",
        "Start a new watch, with all its retries: torc-watchd resume 7",
    ]
    failed = replace(ENDED, verdict="failed")
    assert (
        "torc-watchd add 7 --auto-recover"
        in list(workflow_text(WorkflowKey("s", 7), failed, NOW))[-1]
    )
    stuck = replace(ENDED, verdict="stuck", counts={"ready": 1})
    assert list(workflow_text(WorkflowKey("s", 7), stuck, NOW))[4:] == [
        f"Enable recovery with: torc-watchd add 7 --auto-recover --url {stuck.server}"
    ]
    stuck = replace(stuck, max_retries=3)
    assert "torc-watchd resume 7" in list(workflow_text(WorkflowKey("s", 7), stuck, NOW))[-1]
    resting = replace(WATCHED, phase=Phase.RESTING)
    assert list(workflow_text(WorkflowKey("s", 7), resting, NOW))[-1].startswith(
        "It has no workers now."
    )
    succeeded = replace(ENDED, verdict="succeeded", reason="")
    assert list(workflow_text(WorkflowKey("s", 7), succeeded, NOW))[-1].startswith("Last event")
    paused = replace(WATCHED, phase=Phase.PAUSED)
    assert (
        list(workflow_text(WorkflowKey("s", 42), paused, NOW))[-1]
        == "Resume it with: torc-watchd resume 42"
    )
    assert "was added" in list(workflow_text(WorkflowKey("http://torc", 7), None, NOW))[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("order.followed", "command applied"),
        ("watch.look_failed", "poll failed"),
        ("server.unfamiliar", "server is newer than tested ones"),
        ("some.new_event", "some new event"),
    ],
)
def test_event_is_shown_in_words(name: str, text: str) -> None:
    changed = replace(WATCHED, last_event=name)
    assert f"Last event: {text}, 3 min ago" in workflow_text(changed.key, changed, NOW)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([], "No workflows are watched. Add one with: torc-watchd add ID"),
        ([WATCHED], "1 workflow: 1 watching; next poll in 40 s"),
        ([ENDED, ENDED], "2 workflows: 2 handed over"),
        (
            [
                ENDED,
                replace(WATCHED, phase=Phase.WAITING, next_look="2026-01-01T12:00:14+00:00"),
                replace(WATCHED, phase=Phase.RECOVERING, next_look=""),
                WATCHED,
            ],
            "4 workflows: 1 watching, 1 recovering, 1 waiting, 1 handed over; next poll in 14 s",
        ),
    ],
)
def test_summary_of_workflows(views: list[WorkflowView], expected: str) -> None:
    assert summary(views, NOW) == expected
