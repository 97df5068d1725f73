"""Plans the retries of failed jobs while others of their workflow run. Only reads."""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

import anyio

from torc_watch.core.errors import NotFound
from torc_watch.core.findings import Finding
from torc_watch.core.in_place_gate import bound_jobs
from torc_watch.core.in_place_plan import InPlaceDecision, decide_in_place
from torc_watch.core.intervals import SCOUT_INTERVAL
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import SizedAttempt
from torc_watch.core.model import Job, JobStatus, Requirements
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.scheduler_choice import problem_with
from torc_watch.core.scout_runs import scout_runs, started_scouts
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import ScoutRun, SizingPolicy
from torc_watch.engine.attempt_history import AttemptHistory, lacking_kinds
from torc_watch.engine.messages import EngineContext, FailuresInPlace, PollResult
from torc_watch.engine.planner import jobs_yet_to_run, scheduler_type_for, wanted_rows
from torc_watch.torc.concurrency import gather
from torc_watch.torc.scheduling_actions import list_jobs_counted_at_their_end


class InPlacePlanner:
    def __init__(self, context: EngineContext) -> None:
        self._client = context.client
        self._cluster = context.cluster
        self._journal = context.journal
        self._clock = context.clock
        self._sizes = AttemptHistory(context.client, context.journal.attempts)

    async def plan(
        self, poll: PollResult, failures: FailuresInPlace, settings: RecoverySettings
    ) -> Plan | None:
        """None where no job is retried now. Jobs that never are wait until the workflow is at rest.

        Raises ServerError, SchedulerError and JournalError.
        """
        situation = await self._situation(poll, failures, settings)
        if situation is None:
            poll.watch.in_place.look_again = math.inf
            return None
        decision = decide_in_place(situation, settings)
        self._remember(poll, situation, decision)
        return decision.plan

    def _remember(self, poll: PollResult, situation: Situation, decision: InPlaceDecision) -> None:
        record = poll.watch.in_place
        record.settle(decision.settled)
        late = min((run.late_in for run in situation.scout_runs.values()), default=0.0)
        record.look_again = anyio.current_time() + max(late, SCOUT_INTERVAL)

    async def _situation(
        self, poll: PollResult, failures: FailuresInPlace, settings: RecoverySettings
    ) -> Situation | None:
        """None where the scheduler does not say what a node has, or dependencies are too many."""
        client, workflow = self._client, poll.observation.workflow
        scheduler_type = await scheduler_type_for(client, workflow.id, settings.scheduler)
        configs = await client.list_scheduler_configs(workflow.id, scheduler_type)
        known = self._cluster.schedulers
        if problem_with(scheduler_type, workflow.id, known=known, has_rows=bool(configs)):
            return None
        waiting = await jobs_yet_to_run(client, workflow.id)
        bound = await self._bound_jobs(workflow.id, waiting)
        if bound is None:
            return None
        poll.watch.in_place.settle(bound)
        attempts = await self._attempts(poll, failures, settings)
        rows = {row.id: row for row in await client.list_requirements(workflow.id)}
        return Situation(
            workflow=workflow,
            counts=failures.counts,
            findings=tuple(
                _as_requested_now(each, rows)
                for each in failures.findings
                if each.job.id not in bound
            ),
            dependents=(),
            waiting=waiting,
            requirements=rows,
            past=poll.watch.record.past,
            scheduler_type=scheduler_type,
            configs=wanted_rows(configs, settings),
            node_classes=await self._cluster.scheduler(scheduler_type).node_classes(),
            actions=(),
            allocation_stem="",
            attempts=attempts,
            scout_runs=await self._scout_runs(poll, rows, attempts),
        )

    async def _bound_jobs(
        self, workflow_id: int, waiting: Collection[Job]
    ) -> frozenset[int] | None:
        """The IDs of jobs that only a new run repeats with all that follows; None if too many."""
        dependents = await self._client.list_dependents(workflow_id)
        if dependents is None:
            return None
        counted = await list_jobs_counted_at_their_end(self._client.transport, workflow_id)
        return bound_jobs(dependents, waiting, counted)

    async def _attempts(
        self, poll: PollResult, failures: FailuresInPlace, settings: RecoverySettings
    ) -> tuple[SizedAttempt, ...]:
        """Recorded before the plan is.

        Peers are read again after others have completed, and for further kinds.
        """
        workflow, record = poll.observation.workflow, poll.watch.in_place
        findings = (*failures.findings, *failures.others)
        completed = failures.counts.of(JobStatus.COMPLETED)
        kinds = lacking_kinds(workflow, findings)
        are_read = record.peers[0] == completed and kinds <= record.peers[1]
        with_peers = settings.sizing is SizingPolicy.EVIDENCE and not are_read
        attempts = await self._sizes.record(
            poll.watch.identity, workflow, findings, with_peers=with_peers
        )
        record.others.clear()
        if with_peers:
            record.peers = completed, kinds
        return attempts

    async def _scout_runs(
        self,
        poll: PollResult,
        rows: Mapping[int, Requirements],
        attempts: tuple[SizedAttempt, ...],
    ) -> dict[KindKey, ScoutRun]:
        workflow = poll.observation.workflow
        starts = self._journal.attempts.scout_starts(poll.watch.identity)
        started = started_scouts(starts, attempts, workflow.run_id)
        found = await gather([partial(self._job, job_id) for job_id in sorted(started)])
        jobs = [job for job in found if job is not None]
        return scout_runs(jobs, rows, attempts, workflow_id=workflow.id, now=self._clock())

    async def _job(self, job_id: int) -> Job | None:
        """None where a user has deleted it."""
        try:
            return await self._client.get_job(job_id)
        except NotFound:
            return None


def _as_requested_now(finding: Finding, rows: Mapping[int, Requirements]) -> Finding:
    """One that waits for a scout may have been found long ago."""
    now = rows.get(finding.job.requirements_id or 0)
    return replace(finding, requirements=now) if now else finding
