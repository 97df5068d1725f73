"""Reading the daemon's log: as sentences, over rotated files, and while it is written."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from torc_watch.core import events
from torc_watch.core.cause import Cause
from torc_watch.core.errors import JournalError
from torc_watch.core.events import Event, FailedJob, Verdict
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.recovery_round import Plan, Retry
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action
from torc_watch.daemon.daemon_events import DaemonEvent
from torc_watch.daemon.lease import this_holder
from torc_watch.logs.event_logger import event_logger, json_lines
from torc_watch.logs.log_reader import all_lines, followed_lines, is_about, sentences


def logged(event: Event | DaemonEvent, **bound: str) -> str:
    lines: list[str] = []
    event_logger(json_lines(lines.append)).bind(**bound).log(event)
    return lines[0]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (daemon_events.CommandApplied(workflow_id=42, verb=Action.PAUSE), ["[42] pause: done."]),
        (
            events.PollFailed(workflow_id=42, reason="No answer.", retry_in=8),
            ["[42] Poll failed: No answer. Retrying in 8s."],
        ),
        (
            events.WorkflowSucceeded(workflow_id=42, counts=JobCounts({JobStatus.COMPLETED: 3})),
            ["[42] ✓ Workflow completed successfully (3 jobs)"],
        ),
        (
            events.WatchEnded(
                workflow_id=42,
                verdict=Verdict.EXHAUSTED,
                reason="Max retries (3) exceeded.",
                evidence=(FailedJob(job_id=3, job_name="train", reason="killed (137)"),),
            ),
            ["[42] Ended: exhausted.", "Max retries (3) exceeded.", "Job 3 (train): killed (137)"],
        ),
    ],
)
def test_sentences_of_a_workflow_event(event: Event, words: list[str]) -> None:
    line = logged(event, server="http://a")
    shown = list(sentences(line))

    assert all(any(word in sentence for sentence in shown) for word in words)
    assert {sentence[4] for sentence in shown} == {"-"}  # each sentence starts with a date
    assert is_about(line, 42)
    assert not is_about(line, 43)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (daemon_events.LeaseTaken(workflows=3), "This torc-watchd is active. Workflows: 3."),
        (daemon_events.LeaseHeldElsewhere(holder=this_holder()), "Standing by: the daemon on "),
        (daemon_events.LeaseGone(), "Another torc-watchd of yours has taken over."),
        (
            daemon_events.StopRequested(signal="SIGTERM"),
            "Stopping on SIGTERM, after the rounds in progress.",
        ),
    ],
)
def test_sentence_of_a_daemon_event(event: DaemonEvent, words: str) -> None:
    line = logged(event)
    (shown,) = sentences(line)

    assert words in shown
    assert not is_about(line, 42)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"event": "watch.sta', '{"event": "watch.sta'),
        ("\x1b[2J", "\\x1b[2J"),
        ("[1, 2]", "[1, 2]"),
        (
            '{"event": "mood.changed", "timestamp": "2026-01-01T12:00:00Z", "mood": "fi\\nne"}',
            "mood.changed mood=fi\\nne",
        ),
        (
            '{"event": "watch.ended", "timestamp": "2026-01-01T12:00:00Z", "verdict": "odd"}',
            "watch.ended verdict=odd",
        ),
        (
            '{"event": "lease.taken", "timestamp": "2026-01-01T12:00:00Z", "workflows": "x"}',
            "lease.taken workflows=x",
        ),
    ],
)
def test_line_of_another_version_is_shown_unchanged(line: str, shown: str) -> None:
    (sentence,) = sentences(line)
    assert sentence.endswith(shown)


def test_rotated_files_are_read_oldest_first(tmp_path: Path) -> None:
    for suffix, text in (
        ("", "5\n6"),
        (".1", "4\n"),
        (".2", "3\n"),
        (".10", "1\n2\n"),
        (".b", "x"),
    ):
        (tmp_path / f"daemon.log{suffix}").write_text(text)
    assert list(all_lines(tmp_path / "daemon.log")) == ["1", "2", "3", "4", "5"]


def test_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert list(all_lines(tmp_path / "daemon.log")) == []


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "daemon.log").mkdir()
    with pytest.raises(JournalError, match="cannot be read: Is a directory"):
        list(all_lines(tmp_path / "daemon.log"))


def test_following_continues_after_rotations(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"

    def changes() -> Iterator[None]:
        log.write_text("1\n2\nhal")
        yield
        with log.open("a") as file:
            file.write("f\n3\n")
        yield
        with log.open("a") as file:
            file.write("4\n")
        log.rename(tmp_path / "daemon.log.1")
        yield
        log.write_text("5\n")
        yield
        log.rename(tmp_path / "daemon.log.1")
        log.write_text("6\n")
        yield

    change = changes()
    lines = list(islice(followed_lines(log, lambda: next(change)), 7))

    assert lines == ["1", "2", "half", "3", "4", "5", "6"]


def test_plan_is_told_once() -> None:
    retries = tuple(
        Retry(job_id=job, job_name="train", cause=Cause.UNKNOWN, reason="exit code 9")
        for job in (1, 2)
    )
    plan = Plan(
        workflow_id=42,
        run_id=3,
        number=2,
        retries=retries,
        uninitialized=0,
        left_alone=(),
        adjustments=(),
        scheduler_config_id=None,
        allocations=(),
        repeated=(),
    )
    line = logged(events.RecoveryPlanned(workflow_id=42, plan=plan), server="http://a")
    assert sum("exit code 9" in sentence for sentence in sentences(line)) == 1
