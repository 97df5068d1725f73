"""status.json, as the daemon writes it and others read it."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from torc_watch.core.errors import JournalError
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.status_file import find_view, is_active, read_status, write_status
from torc_watch.daemon.workflow_view import AllocationsView, DaemonView, Phase, WorkflowView

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = this_holder()
GONE = replace(HERE, started=HERE.started + 1)  # its PID was reused
ELSEWHERE = replace(HERE, boot="another", host="login02")
VIEW = WorkflowView(
    server="s",
    workflow_id=42,
    phase=Phase.WATCHING,
    counts={"completed": 3},
    allocations=AllocationsView(queued=2, details=("is held",)),
)
DAEMON = DaemonView(holder=HERE, at=NOW.isoformat(), workflows=(VIEW,))


def test_written_status_is_read(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    write_status(tmp_path / "status.json", DAEMON)
    assert read_status(tmp_path) == DAEMON
    assert find_view(DAEMON, WorkflowKey("s", 42)) == VIEW
    assert find_view(DAEMON, WorkflowKey("other", 42)) is None
    assert find_view(None, WorkflowKey("s", 42)) is None


def test_fields_of_a_newer_daemon_are_ignored(tmp_path: Path) -> None:
    newer = asdict(DAEMON) | {"mood": "fine"}
    newer["workflows"][0]["weight"] = 3
    newer["workflows"][0]["allocations"]["held"] = 1
    (tmp_path / "status.json").write_text(json.dumps(newer))
    assert read_status(tmp_path) == DAEMON


def test_fields_that_an_older_daemon_lacks_are_unknown(tmp_path: Path) -> None:
    older = asdict(DAEMON)
    del older["workflows"][0]["allocations"]
    (tmp_path / "status.json").write_text(json.dumps(older))
    assert read_status(tmp_path) == replace(DAEMON, workflows=(replace(VIEW, allocations=None),))


@pytest.mark.parametrize(
    "content", ["", "{", "garbage", "{}}", '"\xff"', "[" * 100_000, f'{{"at": {"9" * 6000}}}']
)
def test_damaged_status_is_no_other_version(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(JournalError, match=r"json is damaged\. .* else delete it\.$"):
        read_status(tmp_path)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"holder": {}}', '{"holder": 3, "at": "", "workflows": []}']
)
def test_invalid_status_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(JournalError, match="json cannot be parsed"):
        read_status(tmp_path)


def test_unreadable_status_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    with pytest.raises(JournalError, match="json cannot be read: Is a directory"):
        read_status(tmp_path)


@pytest.mark.parametrize(
    ("holder", "age", "active"),
    [
        (HERE, 180, True),
        (HERE, -180, True),
        (HERE, 181, False),
        (GONE, 0, False),
        (ELSEWHERE, 9, True),
    ],
)
def test_daemon_is_active(holder: Holder, age: int, active: bool) -> None:
    """The clocks of two nodes may differ, so a time in the near future counts as recent."""
    at = (NOW - timedelta(seconds=age)).isoformat()
    assert is_active(replace(DAEMON, holder=holder, at=at), NOW) is active


def test_daemon_that_never_wrote_is_not_active() -> None:
    assert not is_active(None, NOW)
