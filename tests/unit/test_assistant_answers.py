"""Answers to assistants: their bounds, their schemas, and text that is not to be trusted."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.app.job_logs import LogFile
from torc_watch.assistant.answer_size import page_of, sentences, size_of
from torc_watch.assistant.job_texts import more_of, output_entries, safe_text
from torc_watch.assistant.job_values import kind_entry
from torc_watch.assistant.planned_changes import PlannedRound, ShownPlans
from torc_watch.assistant.resources import report_text
from torc_watch.assistant.site_values import NodeEntry
from torc_watch.assistant.tool_set import answer, plain_schema
from torc_watch.assistant.workflow_values import (
    ProposalValues,
    WorkflowEntry,
    WorkflowsAnswer,
    failure_entry,
)
from torc_watch.core.cause import Cause
from torc_watch.core.errors import InvalidInput


def row(text: str) -> WorkflowEntry:
    return WorkflowEntry(id=1, name=text, user="u", state="failed")


@given(
    st.lists(st.text(max_size=80), max_size=60),
    st.integers(min_value=1, max_value=30),
    st.integers(min_value=50, max_value=1000),
)
def test_pages_are_within_their_budget_and_together_have_all_rows(
    names: list[str], limit: int, budget: int
) -> None:
    rows = list(map(row, names))
    found: list[WorkflowEntry] = []
    while True:
        page = page_of(rows, limit=limit, offset=len(found), budget=budget)
        size = sum(map(size_of, page.entries))
        assert size <= budget or len(page.entries) == 1
        assert len(page.entries) <= limit
        found += page.entries
        if page.more is None:
            break
        assert page.more.endswith(f"offset={len(found)}")
    assert found == rows


def test_page_behind_the_end_is_empty() -> None:
    page = page_of([row("a")], limit=5, offset=7)
    assert (page.entries, page.total, page.more) == ([], 1, None)


@pytest.mark.parametrize(("number", "most"), [(3, 5), (20, 5), (1000, 500)])
def test_lines_are_bounded_and_say_how_many_there_are_more(number: int, most: int) -> None:
    lines = sentences(["x" * 200] * number, most)
    assert sum(map(len, lines)) < 8100
    shown = lines[:-1] if lines[-1].startswith("...") else lines
    assert len(shown) <= most
    more = int(lines[-1].split()[2]) if shown != lines else 0
    assert len(shown) + more == number


def test_group_of_ten_thousand_failures_is_a_small_row() -> None:
    jobs = [
        {"job_id": number, "job_name": "n" * 500, "next": f"run it again, {number}m -> 2g"}
        for number in range(10_000)
    ]
    group: dict[str, Any] = {
        "cause": Cause.OOM,
        "confidence": "proven",
        "reason": "r" * 5000,
        "evidence": None,
        "errors": "e" * 5000,
        "last_words": "l" * 5000,
        "facts": [{"source": "usage", "text": "t" * 5000}] * 50,
        "retries": 0,
        "jobs": jobs,
    }
    found = failure_entry(group)
    assert found.jobs == 10_000
    assert (found.file or "").startswith("eee")
    assert found.next is not None
    assert found.next["others"] == 9996
    assert size_of(found) < 4000


def test_answer_is_the_same_as_text_and_as_object() -> None:
    found = answer(WorkflowsAnswer(server="s", workflows=[row("a\x1b[2J\u202e")], total=1))
    text = found.content[0]
    assert text.type == "text"
    assert json.loads(text.text) == found.structured_content
    assert found.structured_content is not None
    assert "more" not in found.structured_content
    assert found.structured_content["untrusted_fields"] == ["workflows.name", "workflows.user"]


def test_schemas_have_no_titles_and_no_null() -> None:
    schema = {
        "title": "A",
        "properties": {
            "title": {"title": "Title", "anyOf": [{"type": "string"}, {"type": "null"}]},
            "b": {"anyOf": [{"type": "string"}, {"type": "integer"}], "default": None},
        },
    }
    assert plain_schema(schema) == {
        "properties": {
            "title": {"type": "string"},
            "b": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        }
    }


@pytest.mark.parametrize("content", [b"\x1b[2Jred\r\n", b"\xff\xfe\x00", "\u202eabc".encode()])
def test_text_of_jobs_has_no_control_characters(content: bytes) -> None:
    text = safe_text(content, 100)
    assert all(each.isprintable() or each == "\n" for each in text)


def test_text_of_control_characters_is_bounded() -> None:
    assert len(safe_text(b"\x00" * 10_000, 1000)) < 2100


def test_output_is_read_backwards_piece_by_piece(tmp_path: Any) -> None:
    path = tmp_path / "job.e"
    lines = [f"line {number:05}" for number in range(3000)]
    path.write_text("\n".join(lines))
    file = LogFile(path=path, kind="stderr", size=path.stat().st_size)
    found: list[str] = []
    end = None
    while end != 0:
        (part,) = output_entries([file], 1000, end)
        assert part.untrusted_text is not None
        assert len(part.untrusted_text) <= 6000
        found = part.untrusted_text.splitlines() + found
        more = more_of([part])
        assert (more is None) == (part.begin == 0)
        end = part.begin
    assert found == lines


def test_output_that_cannot_be_read_says_why(tmp_path: Any) -> None:
    file = LogFile(path=tmp_path / "gone", kind="stderr", size=5)
    (part,) = output_entries([file], 10)
    assert (part.untrusted_text, part.trouble) == (None, "No such file or directory")


def test_only_plans_that_were_shown_are_found() -> None:
    shown = ShownPlans()
    first = PlannedRound(workflow_id=1)
    shown.remember("aaaaaaaa", first)
    assert shown.find(" AAAAAAAA ") == first
    with pytest.raises(InvalidInput, match="No plan with this ID was shown to you"):
        shown.find("bbbbbbbb")
    for number in range(200):
        shown.remember(f"{number:08x}", PlannedRound(workflow_id=2))
    with pytest.raises(InvalidInput):
        shown.find("aaaaaaaa")


def test_rows_leave_out_what_they_do_not_know() -> None:
    values = {"node": "n", "cluster": "c", "score": 1.0, "excluded": True, "summary": "", "x": 1}
    assert "x" not in NodeEntry.model_validate(values).model_dump()


def test_report_has_a_bound() -> None:
    text = report_text(["x" * 999] * 1000)
    assert len(text) < 50_100
    assert text.endswith("\n(cut)")
    assert report_text(["a", "b"]) == "a\nb"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_left_out(number: float) -> None:
    """With one of them a client loses the whole answer."""
    use = {"requested": number, "used": number, "enough": number, "over": 0, "fit": "over"}
    kind = kind_entry({"kind": "k", "jobs": 1, "fails": 0, "memory": use})
    waiting = {"plan_id": "7f3a2c1b", "jobs": 1, "allocations": 1, "reason": "r", "proposed_at": ""}
    plan = ProposalValues.model_validate({**waiting, "node_hours": number})
    assert answer(kind).structured_content == {
        "kind": "k", "jobs": 1, "fails": 0, "memory": {"fit": "over"}
    }  # fmt: skip
    assert answer(plan).structured_content == waiting
