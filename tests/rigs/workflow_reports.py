"""Reports of made-up workflows, of any size: what the server and the journal would have."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

from torc_watch.core.assessment import WorkflowState
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.events import FailedJob
from torc_watch.core.explanation import group_failures
from torc_watch.core.fact import Fact, Source
from torc_watch.core.findings import Finding
from torc_watch.core.model import (
    Allocation,
    ComputeNode,
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    Requirements,
    Workflow,
)
from torc_watch.core.node_hour_split import split_node_hours
from torc_watch.core.past_watch import PastRound, PastWatch
from torc_watch.core.recovery_round import Plan, Refusal, RefusalKind, Retry
from torc_watch.core.report import WorkflowOnServer, WorkflowReport
from torc_watch.core.run_summary import run_summaries
from torc_watch.core.timeline import timeline_of
from torc_watch.core.units import GIB
from torc_watch.core.use_spread import use_spreads
from torc_watch.core.utilization import EndedJob, ResourceKind, compare
from torc_watch.core.workflow_key import WorkflowKey

BEGAN = datetime(2026, 11, 27, 17, 5, tzinfo=UTC)
_KEY = WorkflowKey("http://torc.example:8080/torc-service/v1", 42)
_PAUSE = timedelta(minutes=25)  # before a round, in the queue
_CPUS = 26  # jobs of a node at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One of ``failed_of`` attempts fails, in each run but the last one of several.

    ``left`` jobs fail in that, too. ``running`` of the others still run.
    """

    jobs: int = 120
    nodes: int = 4
    runs: int = 3
    kinds: int = 5
    failed_of: int = 15
    left: int = 0
    running: int = 0
    name: str = "weather ensemble"
    job_name: str = "simulate_{kind}_{number}"
    node: str = "node{number:03d}"
    line: str = "RuntimeError: the grid has no cells"
    of_slurm: bool = True


@dataclass(slots=True)
class _Rows:
    """What runs leave behind; ``now`` is when the next one begins."""

    now: datetime = BEGAN
    jobs: dict[int, Job] = field(default_factory=dict)
    results: list[JobResult] = field(default_factory=list)
    workers: list[ComputeNode] = field(default_factory=list)
    rounds: list[PastRound] = field(default_factory=list)


def sample_report(sample: Sample) -> WorkflowReport:
    rows = _run_all(sample)
    return WorkflowReport(
        key=_KEY,
        made=rows.now + timedelta(hours=38),
        version="0.1.0",
        known=_known(sample, rows),
        watches=(_watch(sample, rows),),
    )


def _run_all(sample: Sample) -> _Rows:
    chance, rows = random.Random(7), _Rows()  # noqa: S311 - the same each time
    rows.jobs = {number: _job(sample, number) for number in range(1, sample.jobs + 1)}
    left = list(rows.jobs)
    for run_id in range(1, sample.runs + 1):
        if not left:
            break
        is_last = run_id == sample.runs
        failed = set(left[: sample.left]) if is_last else set(left[:: sample.failed_of])
        _run(sample, rows, run_id, left, failed, chance)
        left = sorted(failed)
        if left and not is_last:
            rows.rounds.append(_round(sample, rows, run_id, left))
            rows.now += _PAUSE
    for number in list(rows.jobs)[: sample.running]:
        _start_again(rows, number)
    return rows


def _start_again(rows: _Rows, number: int) -> None:
    job = rows.jobs[number]
    rows.jobs[number] = _changed(job, JobStatus.RUNNING, started=rows.now - timedelta(minutes=9))
    rows.results = [each for each in rows.results if each.job_id != number]


def _job(sample: Sample, number: int) -> Job:
    kind = number % sample.kinds + 1
    return Job(
        id=number,
        name=sample.job_name.format(kind="abcdefghijklmnopqrstuvwxyz"[kind % 26], number=number),
        command="",
        status=JobStatus.COMPLETED,
        requirements_id=kind,
        attempt=1,
    )


def _changed(job: Job, status: JobStatus, started: datetime | None = None) -> Job:
    return Job(
        id=job.id,
        name=job.name,
        command="",
        status=status,
        requirements_id=job.requirements_id,
        attempt=1,
        started=started,
    )


def _run(
    sample: Sample,
    rows: _Rows,
    run_id: int,
    jobs: Sequence[int],
    failed: set[int],
    chance: random.Random,
) -> None:
    """Nodes take their jobs in turn, so many at a time."""
    nodes = min(sample.nodes, ceil(len(jobs) / _CPUS)) or 1
    free = [[rows.now + timedelta(seconds=20 * node)] * _CPUS for node in range(nodes)]
    first = len(rows.workers) + 1
    for index, number in enumerate(jobs):
        node = index % nodes
        place = min(range(_CPUS), key=free[node].__getitem__)
        seconds = chance.lognormvariate(6.5, 0.5)
        free[node][place] += timedelta(seconds=seconds)
        status = JobStatus.FAILED if number in failed else JobStatus.COMPLETED
        rows.jobs[number] = _changed(rows.jobs[number], status)
        rows.results.append(
            JobResult(
                job_id=number,
                run_id=run_id,
                attempt=1,
                status=status,
                return_code=137 if number in failed else 0,
                exec_seconds=seconds,
                peak_memory=int(chance.lognormvariate(0.2, 0.4) * GIB),
                compute_node_id=first + node,
                completed=free[node][place],
            )
        )
    ends = [max(times) for times in free]
    for node, ended in enumerate(ends):
        rows.workers.append(_worker(sample, first + node, node, rows.now, ended))
    rows.now = max(ends) + timedelta(minutes=2)


def _worker(
    sample: Sample, worker_id: int, node: int, began: datetime, ended: datetime
) -> ComputeNode:
    return ComputeNode(
        id=worker_id,
        hostname=sample.node.format(number=node + 1),
        pid=1,
        allocation_id=worker_id,
        has_ended=True,
        started=began,
        seconds=(ended - began).total_seconds() + 90,
        is_of_slurm=sample.of_slurm,
    )


def _round(sample: Sample, rows: _Rows, run_id: int, failed: Sequence[int]) -> PastRound:
    ended = rows.now + timedelta(seconds=40)
    plan = Plan(
        workflow_id=_KEY.workflow_id,
        run_id=run_id,
        number=run_id,
        retries=tuple(_retry(sample, rows.jobs[number], run_id) for number in failed),
        uninitialized=0,
        left_alone=(),
        adjustments=(),
        scheduler_config_id=None,
        allocations=(),
    )
    return PastRound(
        number=run_id,
        run_id=run_id,
        began=rows.now.isoformat(),
        ended=ended.isoformat(),
        outcome="resubmitted",
        last_step=None,
        plan=plan,
    )


def _retry(sample: Sample, job: Job, run_id: int) -> Retry:
    is_late = job.id % 4 == 0
    return Retry(
        job_id=job.id,
        job_name=job.name,
        cause=Cause.TIMEOUT if is_late else Cause.OOM,
        reason="killed at its run time limit" if is_late else sample.line,
        memory=None if is_late else (run_id * 2 * GIB, run_id * 3 * GIB),
        runtime=(3600, 5400) if is_late else None,
    )


def _watch(sample: Sample, rows: _Rows) -> PastWatch:
    is_open = bool(sample.running)
    return PastWatch(
        server=_KEY.server,
        workflow_id=_KEY.workflow_id,
        began=BEGAN.isoformat(),
        ended=None if is_open else rows.now.isoformat(),
        verdict=None if is_open else "handed_over" if sample.left else "succeeded",
        reason="Some jobs fail whatever is changed." if sample.left else "",
        rounds=tuple(rows.rounds),
    )


def _requirements(kinds: int) -> dict[int, Requirements]:
    return {
        kind: Requirements(
            id=kind,
            name=f"kind_{kind}",
            num_cpus=1,
            num_gpus=0,
            num_nodes=1,
            memory=(1 + kind % 4) * GIB,
            runtime=3600 * (1 + kind % 3),
        )
        for kind in range(1, kinds + 1)
    }


def _known(sample: Sample, rows: _Rows) -> WorkflowOnServer:
    jobs = list(rows.jobs.values())
    requirements = _requirements(sample.kinds)
    timeline = timeline_of(jobs, rows.results, rows.workers, _allocations(rows), rows.now)
    last = {result.job_id: result for result in rows.results}
    ended = [
        EndedJob(
            job=rows.jobs[number],
            result=result,
            requirements=requirements[rows.jobs[number].requirements_id or 0],
        )
        for number, result in last.items()
    ]
    utilization = compare(ended, jobs, tolerance=1.0)
    findings = list(_findings(sample, jobs))
    statuses = [job.status for job in jobs]
    return WorkflowOnServer(
        workflow=_workflow(sample),
        counts=JobCounts({status: statuses.count(status) for status in set(statuses)}),
        answer=_answer(sample),
        failures=group_failures(findings, None),
        errors=tuple(_error(finding.job, sample) for finding in findings[:50]),
        timeline=timeline,
        runs=tuple(run_summaries(timeline.attempts)),
        node_hours=split_node_hours(rows.workers, timeline.attempts, {}, rows.now),
        utilization=utilization,
        spreads={
            resource: use_spreads(utilization, resource)
            for resource in (ResourceKind.MEMORY, ResourceKind.RUNTIME)
        },
    )


def _allocations(rows: _Rows) -> list[Allocation]:
    return [
        Allocation(
            id=worker.id,
            scheduler_id=810_000 + worker.id,
            scheduler_config_id=1,
            scheduler_type="slurm",
            status="complete",
        )
        for worker in rows.workers
    ]


def _workflow(sample: Sample) -> Workflow:
    return Workflow(
        id=_KEY.workflow_id,
        name=sample.name,
        user="ada",
        created="2026-11-27",
        run_id=sample.runs,
        is_canceled=False,
        is_archived=False,
    )


def _answer(sample: Sample) -> Refusal | WorkflowState:
    if sample.running:
        return WorkflowState.WORKING
    if not sample.left:
        return WorkflowState.FINISHED
    reason = "All of the failed jobs were tried three times. Look at what they have written."
    return Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason=reason)


def _findings(sample: Sample, jobs: Sequence[Job]) -> Iterator[Finding]:
    for job in jobs:
        if job.status is JobStatus.FAILED:
            file = f"torc_output/job_stdio/job_wf42_j{job.id}_r3_a1.e"
            clue = Clue(
                rule="python-error",
                cause=Cause.CODE,
                weight=Weight.FATAL,
                says="the program ended with an error of its own",
                line=sample.line,
                file=file,
                fingerprint=f"kind {job.requirements_id}",
            )
            facts = (
                Fact(source=Source.STEP, text=f"step 810001.{job.id} FAILED 1:0"),
                Fact(source=Source.EXIT_CODE, text="exit code 1"),
            )
            yield Finding(
                job=job,
                cause=Cause.CODE,
                reason=clue.says,
                requirements=None,
                clue=clue,
                fingerprint=clue.fingerprint,
                facts=facts,
            )


def _error(job: Job, sample: Sample) -> FailedJob:
    return FailedJob(
        job_id=job.id, job_name=job.name, reason="", errors="job.e", last_words=sample.line
    )
