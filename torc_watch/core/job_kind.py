"""Which jobs need alike: those that a user wrote as one, with parameters."""

import re
from dataclasses import dataclass

from torc_watch.core.model import Job, Requirements
from torc_watch.core.row_names import root_name

# 7, 007, 0.01, -2.5, 1e-05: a minus between words or numbers separates them.
_PARAMETER = re.compile(
    r"(?:(?<![0-9A-Za-z])-)?[0-9]+(?:\.[0-9]+)*(?:[eE][+-]?[0-9]+(?![0-9A-Za-z]))?"
)
_MOST_CHARACTERS = 200  # of a name that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class KindKey:
    """Jobs of one kind have it alike. ``requirements`` is the name of the row as the user wrote it,
    None of a job without one; ``template`` the name with ``*`` for each number.
    """

    workflow_id: int
    requirements: str | None
    template: str


def kind_key(workflow_id: int, job: Job, row: Requirements | None) -> KindKey:
    """``row`` is what the job requests now: rows that recovery raised count as their root."""
    return KindKey(
        workflow_id=workflow_id,
        requirements=None if row is None else root_name(row.name),
        template=template_of(job.name),
    )


def template_of(name: str) -> str:
    return _PARAMETER.sub("*", name[:_MOST_CHARACTERS])
