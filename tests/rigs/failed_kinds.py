"""Situations of workflows with kinds of jobs that lack memory or time."""

from collections.abc import Iterable
from typing import Any

from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.job_kind import KindKey, template_of
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.model import (
    Job,
    JobCounts,
    JobStatus,
    Requirements,
    SchedulerConfig,
    Workflow,
)
from torc_watch.core.recovery_round import PastRounds
from torc_watch.core.situation import Situation
from torc_watch.core.units import GIB

WRITTEN = Requirements(
    id=3, name="small", num_cpus=2, num_gpus=0, num_nodes=1, memory=8 * GIB, runtime=3600
)
NODE = NodeClass(num_cpus=16, memory=240 * GIB, runtime=86_400)
WORKFLOW = Workflow(
    id=42, name="w", user="u", created="", run_id=1, is_canceled=False, is_archived=False
)


def job(
    job_id: int, name: str = "", status: JobStatus = JobStatus.FAILED, row: int = WRITTEN.id
) -> Job:
    return Job(
        id=job_id,
        name=name or f"train_{job_id}",
        command="true",
        status=status,
        requirements_id=row,
        attempt=1,
    )


def failed(
    job_id: int,
    cause: Cause = Cause.OOM,
    *,
    name: str = "",
    asked: Requirements | None = WRITTEN,
    status: JobStatus = JobStatus.FAILED,
    run_id: int = 1,
    **more: Any,
) -> Finding:
    return Finding(
        job=job(job_id, name, status),
        cause=cause,
        reason="because",
        requirements=asked,
        run_id=run_id,
        **more,
    )


def attempt(
    job_id: int,
    end: AttemptEnd = AttemptEnd.COMPLETED,
    *,
    name: str = "train_1",
    gib: float = 8,
    used: float | None = None,
    run_id: int = 1,
    is_scout: bool = False,
    runtime: int = 3600,
    ran: float | None = None,
) -> SizedAttempt:
    return SizedAttempt(
        kind=KindKey(workflow_id=42, requirements="small", template=template_of(name)),
        job_id=job_id,
        run_id=run_id,
        attempt=1,
        end=end,
        memory=int(gib * GIB),
        runtime=runtime,
        peak=None if used is None else used * GIB,
        ran=ran,
        is_scout=is_scout,
    )


def situation(
    findings: Iterable[Finding],
    attempts: Iterable[SizedAttempt] = (),
    *,
    waiting: Iterable[Job] = (),
    completed: int = 0,
    nodes: tuple[NodeClass, ...] = (NODE,),
    rows: Iterable[Requirements] = (),
    **more: Any,
) -> Situation:
    known = tuple(findings)
    counts = {JobStatus.FAILED: len(known), JobStatus.COMPLETED: completed}
    for each in waiting:
        counts[each.status] = counts.get(each.status, 0) + 1
    usual: dict[str, Any] = {
        "workflow": WORKFLOW,
        "counts": JobCounts(counts),
        "findings": known,
        "dependents": (),
        "waiting": tuple(waiting),
        "requirements": {row.id: row for row in (WRITTEN, *rows)},
        "past": PastRounds(),
        "scheduler_type": "local",
        "configs": (
            SchedulerConfig(id=9, name="local", scheduler_type="local", num_cpus=2, memory=GIB),
        ),
        "node_classes": nodes,
        "actions": (),
        "allocation_stem": "abc.wf42",
        "attempts": tuple(attempts),
    }
    return Situation(**(usual | more))
