"""Jobs that wait for a node with more than any node has that their allocations may get.

An allocation for them would be granted, and its worker would leave them where they are.
"""

from collections.abc import Mapping

from torc_watch.core.model import Job, JobStatus
from torc_watch.core.node_classes import lack_reason
from torc_watch.core.scheduler_rows import SchedulerRows
from torc_watch.core.situation import Situation


def jobs_without_room(situation: Situation, rows: SchedulerRows) -> dict[int, str]:
    """The waiting jobs that no node can run, by id, and what they lack."""
    found = {}
    for job in situation.waiting:
        asked = situation.requirements.get(job.requirements_id or 0)
        row = rows.row_for(job, asked)
        nodes = rows.nodes_for(row)
        if nodes and lack_reason(asked, nodes):
            found[job.id] = lack_reason(asked, (*nodes, *rows.others_for(row)))
    return found


def ready_jobs(situation: Situation, without_room: Mapping[int, str]) -> list[Job]:
    """Those that only wait for an allocation."""
    return [
        job
        for job in situation.waiting
        if job.status is JobStatus.READY and job.id not in without_room
    ]


def no_room_reason(situation: Situation, without_room: Mapping[int, str]) -> str:
    """Why none of the ready jobs can run, and what to do; empty if one can, or may."""
    ready = [job for job in situation.waiting if job.status is JobStatus.READY]
    if not ready or any(job.id not in without_room for job in ready):
        return ""
    first = ready[0]
    others = f" and {len(ready) - 1} more" if ready[1:] else ""
    return (
        f"Job {first.id} ({first.name}){others} cannot run: {without_room[first.id]}. Change the "
        "resource requirements, or the partition of the scheduler, then run "
        f"`torc-watchd recover {situation.workflow.id}`."
    )
