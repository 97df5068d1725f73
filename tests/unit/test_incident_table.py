"""Incidents of nodes in the journal: once each, also after they were cleared."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.errors import JournalError, LeaseLost
from torc_watch.core.node_incident import NodeIncident
from torc_watch.daemon.node_history import bad_nodes, incidents_in
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.retention import prune
from torc_watch.engine.database import MIGRATIONS, Database
from torc_watch.engine.journal import Journal

NOW = datetime.now(UTC).replace(second=10, microsecond=0)
INCIDENT = NodeIncident(
    cluster="ridge",
    node="n1",
    cause=Cause.NODE,
    at=NOW,
    server="http://torc",
    workflow_id=42,
    run_id=1,
    job_id=7,
    job_name="train",
)
CREATED = "2026-11-29"
BEFORE_INCIDENTS = 4  # the version of journals without their table


@pytest.fixture
def journal(quick_path: Path) -> Iterator[Journal]:
    with closing(Journal(quick_path / "journal.db")) as journal:
        yield journal


def test_what_is_recorded_is_read_again(journal: Journal, quick_path: Path) -> None:
    second = replace(INCIDENT, node="n2", job_id=8, cause=Cause.CODE, counts=False)
    journal.incidents.record(CREATED, [INCIDENT, second])

    assert journal.incidents.all() == [INCIDENT, second]
    assert incidents_in(quick_path) == [INCIDENT, second]
    assert [each.node for each in bad_nodes(quick_path)] == ["n1"]
    assert journal.incidents.undecided("http://torc", 42, CREATED) == [second]
    assert journal.incidents.undecided("http://torc", 42, "later") == []


@pytest.mark.parametrize(
    ("change", "number"),
    [
        pytest.param({}, 1, id="the same"),
        pytest.param({"job_id": 8, "at": NOW + timedelta(hours=3)}, 1, id="another of the run"),
        pytest.param({"job_id": 8, "cause": Cause.GPU}, 2, id="another cause"),
        pytest.param({"job_id": 8, "node": "n2"}, 2, id="another node"),
        pytest.param({"run_id": 2, "at": NOW + timedelta(hours=1)}, 2, id="another run"),
        pytest.param({"workflow_id": 43}, 2, id="another workflow"),
        pytest.param({"server": "http://other"}, 2, id="another server"),
    ],
)
def test_a_failure_is_recorded_once(
    journal: Journal, change: dict[str, object], number: int
) -> None:
    again = replace(INCIDENT, **change)  # type: ignore[arg-type]
    journal.incidents.record(CREATED, [INCIDENT])
    journal.incidents.record(CREATED, [again])
    assert len(journal.incidents.all()) == number


def test_what_was_cleared_does_not_come_back(journal: Journal) -> None:
    other = replace(INCIDENT, node="n2", job_id=8)
    journal.incidents.record(CREATED, [INCIDENT, other])
    journal.incidents.clear(["n1"])
    assert journal.incidents.all() == [other]

    journal.incidents.record(CREATED, [INCIDENT, replace(INCIDENT, job_id=9)])
    assert journal.incidents.all() == [other]

    journal.incidents.record(CREATED, [replace(INCIDENT, run_id=2, at=NOW + timedelta(hours=1))])
    assert len(journal.incidents.all()) == 2


@pytest.mark.parametrize("counts", [True, False])
def test_fast_failures_are_decided_once(journal: Journal, counts: bool) -> None:
    failure = replace(INCIDENT, cause=Cause.CODE, counts=False)
    journal.incidents.record(CREATED, [failure])
    journal.incidents.decide(CREATED, failure, counts=counts)
    assert journal.incidents.all() == ([replace(failure, counts=True)] if counts else [])
    assert journal.incidents.undecided("http://torc", 42, CREATED) == []


def test_a_daemon_without_the_lease_records_nothing(quick_path: Path) -> None:
    path = quick_path / "journal.db"
    with closing(Registry(path, "1")), closing(Journal(path, "1")) as old:
        Registry(path, "2").close()
        with pytest.raises(LeaseLost):
            old.incidents.record(CREATED, [INCIDENT])
        with pytest.raises(LeaseLost):
            old.incidents.clear(["n1"])
        assert old.incidents.all() == []


def test_causes_of_later_versions_are_left_out(journal: Journal, quick_path: Path) -> None:
    journal.incidents.record(CREATED, [INCIDENT])
    with closing(Database(quick_path / "journal.db")) as database:
        database.write("UPDATE node_incident SET cause = 'cosmic rays'")
    assert journal.incidents.all() == []


def test_old_incidents_are_deleted(quick_path: Path) -> None:
    path = quick_path / "journal.db"
    Registry(path, "1").close()
    with closing(Journal(path)) as journal:
        journal.incidents.record(CREATED, [INCIDENT])
        prune(quick_path, NOW + timedelta(days=29), "1")
        assert journal.incidents.all()
        prune(quick_path, NOW + timedelta(days=31), "1")
        assert not journal.incidents.all()


def test_journals_without_the_table(quick_path: Path) -> None:
    assert incidents_in(quick_path) == []
    path = quick_path / "journal.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(";".join(MIGRATIONS[:BEFORE_INCIDENTS]))
        database.execute(f"PRAGMA user_version = {BEFORE_INCIDENTS}")
    assert incidents_in(quick_path) == []
    with closing(Journal(path)) as journal:
        journal.incidents.record(CREATED, [INCIDENT])
    assert incidents_in(quick_path) == [INCIDENT]


def test_damaged_journal(quick_path: Path) -> None:
    (quick_path / "journal.db").write_bytes(b"no database" * 1000)
    with pytest.raises(JournalError):
        incidents_in(quick_path)
    assert bad_nodes(quick_path) == ()
