"""The daemon's log, read back: as sentences, over its files, and while it is being written."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from torc_watch.core import events
from torc_watch.core.errors import JournalError
from torc_watch.core.events import Event, FailedJob, Verdict
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action
from torc_watch.daemon.daemon_events import DaemonEvent
from torc_watch.daemon.lease import this_holder
from torc_watch.logs.event_log import json_line
from torc_watch.logs.log_reader import all_lines, followed_lines, is_about, sentences


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (daemon_events.CommandApplied(workflow_id=42, verb=Action.PAUSE), ["[42] pause: done."]),
        (
            events.LookFailed(workflow_id=42, reason="No answer.", retry_in=8),
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
def test_of_a_workflow(event: Event, words: list[str]) -> None:
    line = json_line(event, server="http://a")
    told = list(sentences(line))

    assert all(any(word in sentence for sentence in told) for word in words)
    assert {sentence[4] for sentence in told} == {"-"}  # each begins with its date
    assert is_about(line, 42)
    assert not is_about(line, 43)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (daemon_events.LeaseTaken(workflows=3), "This torc-watchd acts from now on. Workflows: 3."),
        (daemon_events.LeaseHeldElsewhere(holder=this_holder()), "Standing by: lease at "),
        (daemon_events.LeaseGone(), "Another torc-watchd of yours has taken over."),
        (
            daemon_events.StopAsked(signal="SIGTERM"),
            "Stopping, for SIGTERM: rounds under way end first.",
        ),
    ],
)
def test_of_the_daemon_itself(event: DaemonEvent, words: str) -> None:
    line = json_line(event)
    (told,) = sentences(line)

    assert words in told
    assert not is_about(line, 42)


@pytest.mark.parametrize(
    ("line", "told"),
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
def test_what_another_version_wrote_is_shown_as_it_is(line: str, told: str) -> None:
    (sentence,) = sentences(line)
    assert sentence.endswith(told)


def test_all_files_the_oldest_first(tmp_path: Path) -> None:
    for suffix, text in (
        ("", "5\n6"),
        (".1", "4\n"),
        (".2", "3\n"),
        (".10", "1\n2\n"),
        (".b", "x"),
    ):
        (tmp_path / f"daemon.log{suffix}").write_text(text)
    assert list(all_lines(tmp_path / "daemon.log")) == ["1", "2", "3", "4", "5"]


def test_no_file(tmp_path: Path) -> None:
    assert list(all_lines(tmp_path / "daemon.log")) == []


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "daemon.log").mkdir()
    with pytest.raises(JournalError, match="cannot be read: Is a directory"):
        list(all_lines(tmp_path / "daemon.log"))


def test_followed_over_rotations(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"

    def happenings() -> Iterator[None]:
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

    happening = happenings()
    lines = list(islice(followed_lines(log, lambda: next(happening)), 7))

    assert lines == ["1", "2", "half", "3", "4", "5", "6"]
