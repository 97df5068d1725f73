"""What readers make of what the daemon published."""

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from torc_watch.core.errors import JournalError
from torc_watch.daemon.lease import this_process
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.status_file import (
    absence,
    ago,
    is_gone,
    notices,
    read_published,
    until,
    view_of,
)
from torc_watch.daemon.status_writer import publish
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = this_process()
ENDED = replace(HERE, pid=os.getpid(), started=HERE.started + 1)  # its number was given anew
ELSEWHERE = replace(HERE, boot="another", host="login02")
ELSEWHERE_IN_A_CONTAINER = replace(ENDED, namespace="pid:[1]")
VIEW = WorkflowView(server="s", workflow_id=42, phase=Phase.WATCHING, counts={"completed": 3})
DAEMON = DaemonView(holder=HERE, at=NOW.isoformat(), workflows=(VIEW,))


def test_what_is_published_is_read(tmp_path: Path) -> None:
    assert read_published(tmp_path) is None
    publish(tmp_path / "status.json", DAEMON)
    assert read_published(tmp_path) == DAEMON
    assert view_of(DAEMON, ("s", 42)) == VIEW
    assert view_of(DAEMON, ("other", 42)) is None
    assert view_of(None, ("s", 42)) is None


def test_what_a_newer_daemon_knows_besides_is_left_out(tmp_path: Path) -> None:
    newer = asdict(DAEMON) | {"mood": "fine"}
    newer["workflows"][0]["weight"] = 3
    (tmp_path / "status.json").write_text(json.dumps(newer))
    assert read_published(tmp_path) == DAEMON


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"holder": {}}', '{"holder": 3, "at": "", "workflows": []}']
)
def test_what_nobody_understands_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(JournalError, match="json cannot be understood"):
        read_published(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    with pytest.raises(JournalError, match="json cannot be read: Is a directory"):
        read_published(tmp_path)


@pytest.mark.parametrize(
    ("holder", "age", "words"),
    [
        (HERE, 60, ""),
        (HERE, -60, ""),  # clocks differ
        (HERE, 600, "runs, but has shown nothing for 10 min. Look whether the state folder has"),
        (ENDED, 0, "does not run: this is how it was 0 s ago. Start it with: torc-watchd service"),
        (ELSEWHERE, 170, ""),
        (ELSEWHERE, -3600, "a time that comes in 60 min by the clock here"),
        (ELSEWHERE, 190, "The daemon on login02 was last heard of 3 min ago"),
        (ELSEWHERE_IN_A_CONTAINER, 60, ""),  # where its number means another process
    ],
)
def test_absence(holder: Holder, age: int, words: str) -> None:
    daemon = replace(DAEMON, holder=holder, at=(NOW - timedelta(seconds=age)).isoformat())
    sentence = absence(daemon, NOW)
    assert words in sentence
    assert bool(words) == bool(sentence)


def test_no_daemon_yet() -> None:
    assert "has not run yet. Start it with: torc-watchd service install" in absence(None, NOW)


def test_orders_that_wait_and_files_that_are_none(tmp_path: Path) -> None:
    at_work = replace(DAEMON, at=NOW.isoformat())
    assert notices(tmp_path, at_work, NOW) == []
    incoming, rejected = tmp_path / "spool" / "incoming", tmp_path / "spool" / "rejected"
    incoming.mkdir(parents=True)
    (incoming / "1.json").touch()
    assert notices(tmp_path, None, NOW)[0].endswith(" 1 order waits for it.")
    (incoming / "2.json").touch()
    rejected.mkdir()
    (rejected / "garbage").touch()

    absent, odd = notices(tmp_path, None, NOW)

    assert absent.endswith(" 2 orders wait for it.")
    assert odd == f"1 file in {rejected} held no order. Look, and remove what is there."
    assert notices(tmp_path, at_work, NOW) == [odd]


def test_a_process_that_never_was() -> None:
    assert is_gone(replace(HERE, pid=2**30))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7_199, "119 min ago"),
        (7_200, "2 h ago"),
        (200_000, "2 d ago"),
        (-5, "0 s ago"),
    ],
)
def test_ago(seconds: int, words: str) -> None:
    assert ago((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "in 40 s"), (300, "in 5 min"), (0.5, "now"), (-3, "now")]
)
def test_until(seconds: float, words: str) -> None:
    assert until((NOW + timedelta(seconds=seconds)).isoformat(), NOW) == words
