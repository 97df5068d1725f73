"""Reading the tables of squeue and sacct, whatever users and sites put into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.schedulers.slurm.job_table import (
    QueueRow,
    parse_accounting,
    parse_queue,
    parse_steps,
)

_HEADING = "JOBID|STATE|UID|START_TIME|END_TIME|NODELIST|NAME                |REASON"


def _queue_line(name: str, reason: str = "None") -> str:
    """As squeue prints it: the name's width is in bytes."""
    text = name.encode()[:20].ljust(20).decode(errors="replace")
    return f"7|RUNNING|2001|1700000000|N/A|n[1,3]|{text}|{reason}"


def _only_row(*lines: str) -> QueueRow:
    table = parse_queue("\n".join((_HEADING, *lines)))
    assert not table.unreadable
    ((row,),) = table.rows.values()
    return row


@pytest.mark.parametrize("text", ["", "\n", f"{_queue_line('x')}\n", "Welcome to the cluster\n"])
def test_answer_without_a_heading_is_no_answer(text: str) -> None:
    for parse in (parse_queue, parse_accounting, parse_steps):
        with pytest.raises(SchedulerUnreachable):
            parse(text)


def test_banner_of_the_site_is_skipped() -> None:
    banner = "--- Welcome | news | Monday ---\n7|8|9\n"
    text = f"{banner}  {_HEADING}\r\nsome notice\n  {_queue_line('x')}  \r\n"

    assert parse_queue(text).rows[7][0].reason == "None"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("tw-12-r1-a0", "tw-12-r1-a0"),
        ("a" * 19, "a" * 19),
        ("a" * 21, "a" * 20),
        ("pi|pe", "pi|pe"),
        ("|" * 30, "|" * 20),
        ("a\x0bb\x85c", "a\x0bb\x85c"),
        ("", ""),
    ],
)
def test_name_is_read_as_far_as_it_is_printed(name: str, read: str) -> None:
    row = _only_row(_queue_line(name, "ReqNodeNotAvail, Reserved for maintenance"))

    assert row.name == read
    assert row.reason == "ReqNodeNotAvail, Reserved for maintenance"
    assert (row.nodes, row.end) == ("n[1,3]", None)


def test_reason_after_a_name_that_is_not_ascii_is_read() -> None:
    assert _only_row(_queue_line("ü" * 30, "Priority")).reason == "Priority"


def test_lines_of_a_name_that_is_broken_are_no_jobs() -> None:
    row = _only_row(*_queue_line("first\nsecond|third").split("\n"))

    assert (row.number, row.name) == (7, "first")


@given(name=st.text(), reason=st.text(st.characters(exclude_characters="\n")))
def test_text_of_users_never_hides_or_changes_a_job(name: str, reason: str) -> None:
    text = "\n".join((_HEADING, _queue_line(name, reason), _queue_line("x").replace("7", "8", 1)))

    table = parse_queue(text)

    assert (table.rows[7][0].state, table.rows[7][0].user) == ("RUNNING", 2001)
    assert table.rows[8][0].name == "x"


def test_tasks_of_an_array_do_not_hide_a_job() -> None:
    task = _queue_line("x").replace("7", "7_[2-3]", 1).replace("RUNNING", "PENDING")

    assert _only_row(task, _queue_line("x"), task).state == "RUNNING"
