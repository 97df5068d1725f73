"""The incidents of nodes in the journal, of all workflows of the user."""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from torc_watch.core.cause import Cause
from torc_watch.core.node_incident import NodeIncident
from torc_watch.engine.database import Database, now

# Jobs that fail alike on a node in one run are kept as one, whichever of them was found first.
_RECORD = """
INSERT OR IGNORE INTO node_incident
    (server, workflow_id, created, run_id, job_id, job_name, cluster, node, cause, at, counts)
SELECT :server, :workflow_id, :created, :run_id, :job_id, :job_name, :cluster, :node, :cause, :at,
    :counts
WHERE NOT EXISTS (
    SELECT 1 FROM node_incident
    WHERE server = :server AND workflow_id = :workflow_id AND created = :created
    AND run_id = :run_id AND cluster = :cluster AND node = :node AND cause = :cause
)
"""
_JOB = "server = ? AND workflow_id = ? AND created = ? AND run_id = ? AND job_id = ?"


class IncidentTable:
    """What failed in a run on a node is kept once, however often the workflow is diagnosed.

    ``created`` tells a workflow from a later one with the same ID. What was cleared stays, so that
    it is not recorded again. Every method raises JournalError; those that write raise LeaseLost.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, created: str, incidents: Collection[NodeIncident]) -> None:
        """Writes nothing where there is no incident."""
        if incidents:
            self._database.write_all(_RECORD, [_values(each, created) for each in incidents])

    def all(self) -> list[NodeIncident]:
        """But those that were cleared."""
        rows = self._database.query_all("SELECT * FROM node_incident WHERE cleared IS NULL")
        return incidents_from(rows)

    def undecided(self, server: str, workflow_id: int, created: str) -> list[NodeIncident]:
        """Those of a workflow that count if their jobs succeed on other nodes."""
        rows = self._database.query_all(
            "SELECT * FROM node_incident WHERE cleared IS NULL AND NOT counts"
            " AND server = ? AND workflow_id = ? AND created = ? ORDER BY at DESC",
            server,
            workflow_id,
            created,
        )
        return incidents_from(rows)

    def decide(self, created: str, incident: NodeIncident, *, counts: bool) -> None:
        """Whether it counts; otherwise it is cleared."""
        change = "counts = 1" if counts else "cleared = ?"
        values = () if counts else (now(),)
        self._database.write(
            f"UPDATE node_incident SET {change} WHERE {_JOB}",  # noqa: S608 - our own words
            *values,
            *_job(incident, created),
        )

    def clear(self, nodes: Collection[str] | None) -> None:
        """Those of nodes with these names, of all nodes for None."""
        if nodes is None:
            self._database.write("UPDATE node_incident SET cleared = ?", now())
        else:
            self._database.write_all(
                "UPDATE node_incident SET cleared = ? WHERE node = ?",
                [(now(), node) for node in nodes],
            )

    def delete_before(self, moment: datetime) -> None:
        """Writes nothing where there is none."""
        if self._database.query_one("SELECT 1 FROM node_incident WHERE at < ?", _text(moment)):
            self._database.write("DELETE FROM node_incident WHERE at < ?", _text(moment))


def incidents_from(rows: Iterable[sqlite3.Row]) -> list[NodeIncident]:
    """From rows of the table, without those that another version of this program has written."""
    return [_incident(row) for row in rows if row["cause"] in set(Cause)]


def _incident(row: sqlite3.Row) -> NodeIncident:
    return NodeIncident(
        cluster=row["cluster"],
        node=row["node"],
        cause=Cause(row["cause"]),
        at=datetime.fromisoformat(row["at"]),
        server=row["server"],
        workflow_id=row["workflow_id"],
        run_id=row["run_id"],
        job_id=row["job_id"],
        job_name=row["job_name"],
        counts=bool(row["counts"]),
    )


def _job(each: NodeIncident, created: str) -> tuple[object, ...]:
    return each.server, each.workflow_id, created, each.run_id, each.job_id


def _values(each: NodeIncident, created: str) -> dict[str, object]:
    return {**asdict(each), "at": _text(each.at), "created": created}


def _text(moment: datetime) -> str:
    """In UTC, so that texts are in the order of times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
