"""Failures that scripts/capture-failures recorded from the real Torc on a real Slurm cluster."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "failures" / "recorded"
CLUSTER = "cluster.json"
OWNER = "{owner}"  # the user number of whose allocations they are
BLIND = "blind"  # the file of programs that was written without a look at the rules
SUCCESS = "success"
TRAP = "trap"

_DEFAULT = "default"

Row = dict[str, Any]


def expected_cause(job_name: str) -> str | None:
    """The cause that is right: the first word of the name; None for a job that is well."""
    word = job_name.partition(".")[0]
    return None if word == SUCCESS else word


@dataclass(frozen=True, slots=True)
class Recording:
    """One workflow. ``expected`` has the right cause of each case, by the job's name.

    ``torc`` is what `torc recover --dry-run --retry-unknown` said: ``causes`` and ``raises`` by the
    job's name, ``retried``; or an ``error`` in place of all that.
    """

    name: str
    about: Mapping[str, str]
    expected: Mapping[str, str | None]
    rows: Mapping[str, Any]
    slurm: Mapping[str, Any]
    output: Mapping[str, Row]
    torc: Mapping[str, Any]

    @property
    def workflow_id(self) -> int:
        return int(self.rows["workflow"]["id"])

    @property
    def is_blind(self) -> bool:
        return self.about["source"].startswith(BLIND)

    def cases(self) -> "Iterator[Case]":
        return (Case(self, job_name) for job_name in self.expected)

    def result_of(self, job_name: str) -> Row | None:
        """The last one of a job."""
        ids = {row["name"]: row["id"] for row in self.rows["jobs"]}
        found = [row for row in self.rows["results"] if row["job_id"] == ids[job_name]]
        return max(found, key=lambda row: (row["run_id"], row["attempt_id"]), default=None)


@dataclass(frozen=True, slots=True)
class Case:
    """A job whose cause is known."""

    recording: Recording
    job_name: str

    @property
    def expected(self) -> str | None:
        return self.recording.expected[self.job_name]

    @property
    def has_request(self) -> bool:
        """Whether it asked for memory and time: others run on a row that Torc made for all."""
        rows = self.recording.rows
        [number] = (
            row["resource_requirements_id"] for row in rows["jobs"] if row["name"] == self.job_name
        )
        names = {row["id"]: row["name"] for row in rows["resource_requirements"]}
        return bool(names.get(number, _DEFAULT) != _DEFAULT)

    @property
    def id(self) -> str:
        return f"{self.recording.name}:{self.job_name}"


@cache
def recordings(folder: Path = RECORDED) -> tuple[Recording, ...]:
    paths = (path for path in sorted(folder.glob("*.json")) if path.name != CLUSTER)
    return tuple(Recording(path.stem, **json.loads(path.read_text())) for path in paths)


@cache
def recorded_cluster(folder: Path = RECORDED) -> Mapping[str, str]:
    """What `scontrol show` says, by its last word."""
    shown: Mapping[str, str] = json.loads((folder / CLUSTER).read_text())["shown"]
    return shown


def cases() -> Iterator[Case]:
    for recording in recordings():
        yield from recording.cases()
