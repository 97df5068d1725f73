"""What jobs are related to: the jobs they wait for, the files and user data they read and make."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torc_watch.sandbox.server.store import Row, Store


@dataclass(frozen=True, slots=True)
class Relation:
    """Ids that a job's JSON carries in ``name``, kept in ``table`` under ``column``."""

    name: str
    table: str
    column: str


DEPENDENCIES = Relation("depends_on_job_ids", "job_depends_on", "depends_on_job_id")
OUTPUT_FILES = Relation("output_file_ids", "job_output_file", "file_id")
OUTPUT_USER_DATA = Relation("output_user_data_ids", "job_output_user_data", "user_data_id")
RELATIONS = (
    DEPENDENCIES,
    Relation("input_file_ids", "job_input_file", "file_id"),
    OUTPUT_FILES,
    Relation("input_user_data_ids", "job_input_user_data", "user_data_id"),
    OUTPUT_USER_DATA,
)


def add_relation(
    store: Store, relation: Relation, workflow_id: int, related: Mapping[int, Sequence[int] | None]
) -> None:
    """Keep what is ``related`` to each job of a workflow, by the job's id."""
    pairs = ((job_id, other) for job_id, others in related.items() for other in others or ())
    if relation is DEPENDENCIES:
        columns: Sequence[str] = ("job_id", relation.column, "workflow_id")
        store.insert_many(relation.table, columns, ((*pair, workflow_id) for pair in pairs))
    else:
        store.insert_many(relation.table, ("job_id", relation.column), pairs)


def relate(store: Store, jobs: Sequence[Row], relations: Iterable[Relation]) -> None:
    """Add the lists of ids to jobs; a list that would be empty is left out."""
    ids = json.dumps([job["id"] for job in jobs])
    for relation in relations:
        related = defaultdict(list)
        for pair in store.rows(
            f"SELECT job_id, {relation.column} AS other FROM {relation.table} "  # noqa: S608
            "WHERE job_id IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
            ids,
        ):
            related[pair["job_id"]].append(pair["other"])
        for job in jobs:
            if job["id"] in related:
                job[relation.name] = related[job["id"]]
