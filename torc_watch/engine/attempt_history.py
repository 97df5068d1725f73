"""What the attempts of a workflow have requested and used: those that failed, and their peers."""

from collections.abc import Collection, Iterable, Mapping

from torc_watch.core.failed_attempts import attempt_of
from torc_watch.core.findings import Finding
from torc_watch.core.job_kind import KindKey, kind_key
from torc_watch.core.kind_history import LACK_ENDS, SizedAttempt
from torc_watch.core.model import JobStatus, Requirements, Workflow
from torc_watch.core.sized_attempts import (
    ScoutStart,
    completed_attempt,
    merged,
    news_of,
)
from torc_watch.core.utilization import with_step_peaks
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.attempt_table import AttemptTable
from torc_watch.torc.client import TorcClient

_Requests = Mapping[int, tuple[KindKey, Requirements]]  # by the job's ID


class AttemptHistory:
    """The journal's, to which it adds what the server knows."""

    def __init__(self, client: TorcClient, table: AttemptTable) -> None:
        self._client = client
        self._table = table

    async def record(
        self,
        identity: WorkflowIdentity,
        workflow: Workflow,
        findings: Collection[Finding],
        *,
        with_peers: bool,
    ) -> tuple[SizedAttempt, ...]:
        """All attempts that are known then. Raises ServerError and JournalError."""
        known = self._table.of(identity)
        starts = self._table.scout_starts(identity)
        all_known = await with_found(
            self._client, workflow, findings, known, starts, with_peers=with_peers
        )
        self._table.record(identity, news_of(known, all_known))
        return all_known


async def with_found(
    client: TorcClient,
    workflow: Workflow,
    findings: Collection[Finding],
    known: Collection[SizedAttempt],
    starts: Collection[ScoutStart],
    *,
    with_peers: bool,
) -> tuple[SizedAttempt, ...]:
    """The ``known`` attempts, and those of the failed jobs whose kinds lack memory or run time.

    ``with_peers`` also those of the jobs of these kinds that completed, which the server is asked
    for. Only reads. Raises ServerError.
    """
    kinds = lacking_kinds(workflow, findings)
    if not kinds:
        return tuple(known)
    failed = (attempt_of(workflow, each) for each in findings)
    found = [each for each in failed if each.kind in kinds]
    if with_peers:
        found += await _completed(client, workflow.id, kinds)
    return merged(known, found, starts)


def lacking_kinds(workflow: Workflow, findings: Iterable[Finding]) -> frozenset[KindKey]:
    """The kinds of the jobs that lacked memory or run time."""
    failed = (attempt_of(workflow, each) for each in findings)
    return frozenset(each.kind for each in failed if each.end in LACK_ENDS.values())


async def _completed(
    client: TorcClient, workflow_id: int, kinds: Collection[KindKey]
) -> list[SizedAttempt]:
    """The current result of each job that has completed, in whichever run.

    A job that completed before and was reset since is none: its row may be another now.
    """
    jobs = await _completed_jobs(client, workflow_id, kinds)
    if not jobs:
        return []
    steps = await client.list_step_usage(workflow_id)
    found: list[SizedAttempt] = []
    async for page in client.result_pages(workflow_id, JobStatus.COMPLETED):
        ours = [each for each in page if each.job_id in jobs]
        found += (
            completed_attempt(each, *jobs[each.job_id]) for each in with_step_peaks(ours, steps)
        )
    return found


async def _completed_jobs(
    client: TorcClient, workflow_id: int, kinds: Collection[KindKey]
) -> _Requests:
    """Jobs share their keys: there may be very many."""
    rows = {row.id: row for row in await client.list_requirements(workflow_id)}
    shared = {kind: kind for kind in kinds}
    found: dict[int, tuple[KindKey, Requirements]] = {}
    async for page in client.job_pages(workflow_id, JobStatus.COMPLETED):
        for job in page:
            row = rows.get(job.requirements_id or 0)
            kind = shared.get(kind_key(workflow_id, job, row)) if row else None
            if row and kind:
                found[job.id] = kind, row
    return found
