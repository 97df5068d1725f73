"""The logging pipeline: what an entry contains, its level, and that every output gets it."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

import pytest

from torc_watch.core import events
from torc_watch.core.assessment import Orphans
from torc_watch.core.events import FailedJob, Verdict
from torc_watch.core.model import Job, JobCounts, JobStatus
from torc_watch.core.orphaned_job import OrphanEvidence, explain_orphan
from torc_watch.daemon import daemon_events
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.logs.event_logger import event_logger, json_lines, source
from torc_watch.logs.records import LogLevel

if TYPE_CHECKING:
    from structlog.typing import EventDict

ENDED = events.WatchEnded(
    workflow_id=7,
    verdict=Verdict.HANDED_OVER,
    reason="Größe",
    evidence=(FailedJob(job_id=1, job_name="a\nb", reason="too large", last_words="Killed"),),
)
JOB = Job(
    id=1, name="\ud800", command="true", status=JobStatus.RUNNING, requirements_id=2, attempt=1
)


def logged(event: WorkflowEvent | DaemonEvent, **bound: str) -> dict[str, Any]:
    lines: list[str] = []
    event_logger(json_lines(lines.append)).bind(**bound).log(event)
    (line,) = lines
    assert "\n" not in line
    entry: dict[str, Any] = json.loads(line)
    return entry


def test_line_has_all_fields_of_the_event() -> None:
    line = logged(ENDED)
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
    assert line == {
        "event": "watch.ended",
        "level": "error",
        "workflow_id": 7,
        "verdict": "handed_over",
        "reason": "Größe",
        "evidence": [
            {
                "job_id": 1,
                "job_name": "a\nb",
                "reason": "too large",
                "errors": None,
                "last_words": "Killed",
            }
        ],
        "rounds_used": None,
    }


def test_counts_and_invalid_text_are_plain_json() -> None:
    counted = logged(events.JobsCounted(workflow_id=7, counts=JobCounts({JobStatus.READY: 2})))
    orphan = explain_orphan(OrphanEvidence(job=JOB, requirements=None, run_id=1, node_id=3))
    found = logged(events.OrphansFound(workflow_id=7, orphans=Orphans(running=(orphan,))))
    assert counted["counts"] == {"by_status": {"ready": 2}}
    assert found["orphans"]["running"][0]["finding"]["job"]["name"] == "\ud800"


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (events.JobsCounted(workflow_id=7, counts=JobCounts({})), "debug"),
        (events.WorkflowComplete(workflow_id=7), "info"),
        (events.WatchEnded(workflow_id=7, verdict=Verdict.SUCCEEDED), "notice"),
        (events.PollFailed(workflow_id=7, reason="No answer.", retry_in=2), "warning"),
        (ENDED, "error"),
        (daemon_events.ConfigurationRead(), "info"),
        (daemon_events.ConfigurationRead(problem="No."), "warning"),
    ],
)
def test_level_is_the_event_s_own(event: WorkflowEvent | DaemonEvent, level: str) -> None:
    assert logged(event)["level"] == level


def test_every_output_gets_every_entry_with_what_was_bound() -> None:
    first: list[EventDict] = []
    second: list[EventDict] = []
    log = event_logger(first.append, second.append)
    log.bind(server="http://a").log(ENDED)
    log.log(daemon_events.LeaseGone())

    assert first == second
    assert [source(entry) for entry in first] == [ENDED, daemon_events.LeaseGone()]
    assert [entry.get("server") for entry in first] == ["http://a", None]


@pytest.mark.parametrize("lowest", LogLevel)
def test_events_below_the_lowest_level_are_dropped(lowest: LogLevel) -> None:
    entries: list[EventDict] = []
    log = event_logger(entries.append, lowest=lowest)
    log.log(events.JobsCounted(workflow_id=7, counts=JobCounts({})))
    log.log(ENDED)

    names = [entry["event"] for entry in entries]
    assert names == ["workflow.counts"] * (lowest is LogLevel.DEBUG) + ["watch.ended"]


def test_no_event_has_a_field_that_the_entry_needs_itself() -> None:
    reserved = {"event", "level", "timestamp", "server", "method_name"}
    for kind in (*get_args(WorkflowEvent), *get_args(DaemonEvent)):
        assert reserved.isdisjoint(kind.__dataclass_fields__)
