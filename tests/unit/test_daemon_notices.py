"""Notices about the daemon: inactivity, pending commands, and rejected files."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.workflow_view import DaemonView
from torc_watch.render.daemon_notices import inactivity_notice, notices
from torc_watch.render.status_table import status_values

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = this_holder()
PID_REUSED = replace(HERE, started=HERE.started + 1)
GONE = replace(HERE, pid=2**30)
ELSEWHERE = replace(HERE, boot="another", host="login02")
ELSEWHERE_IN_A_CONTAINER = replace(PID_REUSED, namespace="pid:[1]")
DAEMON = DaemonView(holder=HERE, at=NOW.isoformat(), workflows=())


@pytest.mark.parametrize(
    ("holder", "age", "text"),
    [
        (HERE, 60, ""),
        (HERE, -60, ""),  # clocks differ
        (HERE, 600, "is running, but has not updated its status for 10 min. Check that the state"),
        (PID_REUSED, 0, "is not running. Last update: 0 s ago. Start it with: torc-watchd service"),
        (GONE, 180, "is not running. Last update: 3 min ago. Start it with: torc-watchd service"),
        (ELSEWHERE, 170, ""),
        (
            ELSEWHERE,
            -3600,
            "The daemon on login02 last reported 60 min in the future (clock skew?); cannot",
        ),
        (
            ELSEWHERE,
            190,
            "The daemon on login02 last reported 3 min ago. A daemon on standby will take",
        ),
        (ELSEWHERE_IN_A_CONTAINER, 60, ""),  # the PID means another process there
    ],
)
def test_inactivity_notice(holder: Holder, age: int, text: str) -> None:
    daemon = replace(DAEMON, holder=holder, at=(NOW - timedelta(seconds=age)).isoformat())
    notice = inactivity_notice(daemon, NOW)
    assert text in notice
    assert bool(text) == bool(notice)


def test_notice_explains_how_to_start_a_daemon_that_never_ran() -> None:
    notice = inactivity_notice(None, NOW)
    assert notice.startswith("The daemon has never run. Start it with: torc-watchd service install")


def test_what_the_daemon_says_itself_comes_first(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, DAEMON, NOW, "The disk is full.")

    assert notice == "The daemon reports: The disk is full."
    assert status_values(DAEMON, NOW, "The disk is full.")["trouble"] == notice
    assert status_values(DAEMON, NOW, "")["trouble"] == ""


def test_pending_commands_and_invalid_files_are_counted(tmp_path: Path) -> None:
    active = replace(DAEMON, at=NOW.isoformat())
    assert notices(tmp_path, active, NOW) == []
    incoming, rejected = tmp_path / "spool" / "incoming", tmp_path / "spool" / "rejected"
    incoming.mkdir(parents=True)
    (incoming / "1.json").touch()
    never_run = inactivity_notice(None, NOW)
    assert notices(tmp_path, None, NOW) == [f"1 command is waiting for the daemon. {never_run}"]
    (incoming / "2.json").touch()
    rejected.mkdir()
    (rejected / "garbage").touch()

    inactive, invalid = notices(tmp_path, None, NOW)

    assert inactive == f"2 commands are waiting for the daemon. {never_run}"
    assert invalid == f"1 invalid command file in {rejected}; inspect and delete it."
    assert notices(tmp_path, active, NOW) == [invalid]
    (rejected / "more garbage").touch()
    (plural,) = notices(tmp_path, active, NOW)
    assert plural == f"2 invalid command files in {rejected}; inspect and delete them."
