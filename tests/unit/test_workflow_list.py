"""The workflows of a server, as a table and as values."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from torc_watch.app.workflow_list import count_workflows
from torc_watch.core.model import JobCounts, JobStatus, Workflow
from torc_watch.render.workflow_list import run_state, workflow_lines, workflow_values

if TYPE_CHECKING:
    from tests.conftest import OpenSite

TRAIN = Workflow(
    id=7,
    name="train",
    user="ada",
    created="2026-01-01T12:34:56.789Z",
    run_id=2,
    is_canceled=False,
    is_archived=False,
)


def counts(**numbers: int) -> JobCounts:
    return JobCounts({JobStatus(status): number for status, number in numbers.items()})


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("flags", "jobs", "expected"),
    [
        ({"is_archived": True, "is_canceled": True}, counts(running=1), "archived"),
        ({"is_canceled": True}, counts(failed=1), "canceled"),
        ({}, None, "unknown"),
        ({}, counts(), "no jobs"),
        ({}, counts(uninitialized=3, disabled=1), "not started"),
        ({}, counts(running=1, failed=5), "running"),
        ({}, counts(pending=1, ready=4), "running"),
        ({}, counts(ready=1, completed=4), "waiting"),
        ({}, counts(blocked=1, failed=1), "waiting"),
        ({}, counts(completed=3, disabled=1), "completed"),
        ({}, counts(completed=3, failed=1), "failed"),
        ({}, counts(completed=3, canceled=1), "failed"),
        ({}, counts(terminated=1), "failed"),
    ],
)
def test_state_of_a_workflow(flags: dict[str, bool], jobs: JobCounts | None, expected: str) -> None:
    assert run_state(replace(TRAIN, **flags), jobs) == expected  # type: ignore[arg-type]


def test_table_has_a_header_states_counts_dates_and_who_is_watched() -> None:
    long = replace(TRAIN, id=123, name="failed", created="")
    rows = [(TRAIN, counts(completed=3, failed=1, terminated=1)), (long, None)]
    assert list(workflow_lines(rows, {7: "watching"})) == [
        " ID  NAME    USER  CREATED           STATE    DONE  FAILED  WATCHED",
        "  7  train   ada   2026-01-01 12:34  failed   3/5   2       watching",
        "123  failed  ada                     unknown                no",
    ]


def test_state_has_a_color_and_a_name_has_none() -> None:
    named = replace(TRAIN, name="a  failed  b")
    (_, line) = workflow_lines([(named, counts(failed=1))], {7: "failed"}, colored=True)
    assert line.count("\x1b[") == 2
    assert "a  failed  b" in line
    assert "12:34  \x1b[31mfailed\x1b[0m  0/1" in line


def test_names_cannot_control_the_terminal() -> None:
    hostile = replace(TRAIN, name="\x1b[31m", user="a\nb", created="\x07")
    assert all(line.isprintable() for line in workflow_lines([(hostile, counts())], {}))


def test_values_for_scripts() -> None:
    assert workflow_values(TRAIN, counts(uninitialized=1), None) == {
        "id": 7,
        "name": "train",
        "user": "ada",
        "created": "2026-01-01T12:34:56.789Z",
        "run_id": 2,
        "state": "not_started",
        "counts": {"uninitialized": 1},
        "watched": None,
    }
    assert workflow_values(TRAIN, None, "paused")["counts"] is None


@pytest.mark.looptime
async def test_the_last_workflows_are_counted(open_site: "OpenSite") -> None:
    """Each takes a request, and a server may have thousands."""
    async with open_site() as site:
        for jobs in (["a"], ["a", "b"], ["a", "b", "c"]):
            await site.submit(jobs)
        found = await count_workflows(site.client, last=2)
        assert [each.workflow.id for each in found] == [1, 2, 3]
        assert [each.counts and each.counts.total for each in found] == [None, 2, 3]
        assert len(await count_workflows(site.client, last=100)) == 3
