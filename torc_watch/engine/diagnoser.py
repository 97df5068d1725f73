"""From a look at a workflow to what it means, and, once it is at rest, to why its jobs failed."""

from collections.abc import Callable

import anyio

from torc_watch.core import assessment, diagnosis, events, policy, polling
from torc_watch.core.assessment import Observation, Orphans, WorkflowState
from torc_watch.core.diagnosis import DEFAULT_REQUIREMENTS, Evidence, Finding
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.core.model import (
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    Requirements,
    Workflow,
)
from torc_watch.engine.failure_report import exhibits
from torc_watch.engine.observer import find_orphans
from torc_watch.engine.watch import (
    Case,
    Decision,
    Diagnosis,
    KeepWatching,
    Poll,
    Watch,
)
from torc_watch.torc.client import TorcClient

_CANCELED = "Workflow {} was canceled. Nothing was changed since; reset it to run it again."
_MOMENT = 1.0  # the least to wait, in seconds: what is left may be too little to count
_ARCHIVED = "Workflow {} was archived. Nothing was changed since."


class Diagnoser:
    def __init__(self, client: TorcClient, report: Callable[[Event], None]) -> None:
        self._client = client
        self._report = report

    async def explain(self, poll: Poll) -> Decision | Case:
        """A decision where the poll is answered by it, else the case for the recoverer."""
        watch, observation = poll.watch, poll.observation
        standing = assessment.standing(observation)
        if ended := _ended_by_a_person(watch.workflow_id, standing):
            return ended
        if watch.request.recovery is not None and watch.record.has_unfinished_plan:
            return self._case(poll, diagnosis=None)
        if standing is WorkflowState.WORKING:
            watch.at_rest_since = None
            return _still_running(watch.workflow_id) if watch.request.once else KeepWatching()
        return await self._explain_rest(poll, standing)

    async def _explain_rest(self, poll: Poll, standing: WorkflowState) -> Decision | Case:
        """The same for a workflow that nothing runs any more."""
        workflow_id = poll.watch.workflow_id
        counts = poll.observation.counts or await self._client.count_jobs(workflow_id)
        is_finished = standing is WorkflowState.FINISHED and not counts.of(*assessment.UNFINISHED)
        if is_finished and assessment.has_succeeded(counts):
            self._report(events.WorkflowComplete(workflow_id=workflow_id))
            self._report(events.WorkflowSucceeded(workflow_id=workflow_id, counts=counts))
            return WatchEnded(workflow_id=workflow_id, verdict=Verdict.SUCCEEDED)
        if not counts.total:
            return _ended_without_jobs(workflow_id)
        if grace := self._grace_left(poll, counts, is_finished=is_finished):
            return KeepWatching(grace)
        if is_finished:
            self._report(events.WorkflowComplete(workflow_id=workflow_id))
            self._report(events.WorkflowFailed(workflow_id=workflow_id, counts=counts))
            return await self._consider(poll, counts, Verdict.FAILED)
        self._report(events.WorkflowStalled(workflow_id=workflow_id, counts=counts))
        return await self._consider(poll, counts, Verdict.STUCK)

    def _grace_left(self, poll: Poll, counts: JobCounts, *, is_finished: bool) -> float:
        """For how many seconds something may yet happen that is no stall; 0 when they are over."""
        watch, observation = poll.watch, poll.observation
        if watch.request.once:  # whoever asks for one round says that the workflow rests
            return 0.0
        grace = 0.0 if is_finished else assessment.grace_before_stall(observation, counts)
        settings = watch.request.recovery
        if settings is not None and not policy.exhausted(watch.record.rounds_used, settings):
            self._await_idle_workers(watch, observation)
            grace = max(grace, assessment.grace_before_recovery(observation))
        now = anyio.current_time()
        if watch.at_rest_since is None:
            watch.at_rest_since = now
        left = watch.at_rest_since + grace - now
        return max(left, _MOMENT) if left > 0 else 0.0

    def _await_idle_workers(self, watch: Watch, observation: Observation) -> None:
        """One elsewhere that was not seen before has all of its grace."""
        new = [node for node in observation.idle_elsewhere if node.id not in watch.awaited]
        if not new:
            return
        watch.at_rest_since = anyio.current_time()
        watch.awaited |= {node.id for node in new}
        self._report(
            events.WorkersAwaited(
                workflow_id=watch.workflow_id,
                hostnames=tuple(sorted({node.hostname for node in new})),
                seconds=polling.LEAVING_GRACE,
            )
        )

    async def diagnose(self, observation: Observation, counts: JobCounts) -> Diagnosis:
        """Why each failed job failed, and what dead workers left. Only reads.

        Asks for failed jobs and their results, never for the completed ones.
        """
        requirements = await self._requirements(observation.workflow.id)
        orphans = await find_orphans(self._client, observation)
        failed = await self._failures(observation.workflow, counts, requirements)
        return Diagnosis(
            counts=_after_release(counts, orphans),
            findings=(*failed, *_interrupted(orphans, requirements)),
            orphans=orphans,
        )

    async def failures(self, workflow: Workflow, counts: JobCounts) -> tuple[Finding, ...]:
        """Why each job failed that failed so far, whatever else still runs. Only reads."""
        if not _present(counts):
            return ()
        return await self._failures(workflow, counts, await self._requirements(workflow.id))

    async def _consider(
        self, poll: Poll, counts: JobCounts, without_recovery: Verdict
    ) -> Decision | Case:
        watch = poll.watch
        for failure in poll.observation.failures:
            self._report(events.AllocationFailed(workflow_id=watch.workflow_id, failure=failure))
        used, settings = watch.record.rounds_used, watch.request.recovery
        if settings is None:
            is_stuck = without_recovery is Verdict.STUCK
            reason = assessment.stuck_reason(watch.workflow_id, counts) if is_stuck else ""
            return await self._hand_over(poll, counts, without_recovery, reason)
        if refusal := policy.exhausted(used, settings):
            return await self._hand_over(poll, counts, Verdict.EXHAUSTED, refusal.reason)
        self._report(
            events.RecoveryAttempted(
                workflow_id=watch.workflow_id, number=used + 1, max_retries=settings.max_retries
            )
        )
        self._report(events.DiagnosisStarted(workflow_id=watch.workflow_id))
        return self._case(poll, diagnosis=await self.diagnose(poll.observation, counts))

    async def _hand_over(
        self, poll: Poll, counts: JobCounts, verdict: Verdict, reason: str
    ) -> WatchEnded:
        diagnosis = await self.diagnose(poll.observation, counts)
        return WatchEnded(
            workflow_id=poll.watch.workflow_id,
            verdict=verdict,
            reason=reason,
            evidence=exhibits(diagnosis.findings, poll.watch.request),
        )

    def _case(self, poll: Poll, *, diagnosis: Diagnosis | None) -> Case:
        return Case(
            watch=poll.watch,
            observation=poll.observation,
            diagnosis=diagnosis,
            open_round=poll.watch.record.open_round,
            reply=poll.reply,
        )

    async def _failures(
        self, workflow: Workflow, counts: JobCounts, requirements: dict[int, Requirements]
    ) -> tuple[Finding, ...]:
        results = await self._results(workflow.id, counts)
        return tuple(
            [
                diagnosis.diagnose(
                    Evidence(
                        job=job,
                        result=results.get(job.id),
                        requirements=_asked(job, requirements),
                        kill_codes=workflow.kill_codes,
                    )
                )
                for status in _present(counts)
                for job in await self._client.list_jobs(workflow.id, status)
            ]
        )

    async def _requirements(self, workflow_id: int) -> dict[int, Requirements]:
        return {row.id: row for row in await self._client.list_requirements(workflow_id)}

    async def _results(self, workflow_id: int, counts: JobCounts) -> dict[int, JobResult]:
        """The last result of each failed job, by the job's id."""
        return {
            result.job_id: result
            for status in _present(counts)
            for result in await self._client.list_results(workflow_id, status)
        }


def _ended_by_a_person(workflow_id: int, standing: WorkflowState) -> WatchEnded | None:
    if standing not in (WorkflowState.CANCELED, WorkflowState.ARCHIVED):
        return None
    sentence = _CANCELED if standing is WorkflowState.CANCELED else _ARCHIVED
    return WatchEnded(
        workflow_id=workflow_id,
        verdict=Verdict.HANDED_OVER,
        reason=sentence.format(workflow_id),
    )


def _ended_without_jobs(workflow_id: int) -> WatchEnded:
    return WatchEnded(
        workflow_id=workflow_id,
        verdict=Verdict.HANDED_OVER,
        reason=f"Workflow {workflow_id} has no jobs. If it had some, look at the server: Torc 1.0 "
        "drops the jobs when it takes over a database of 0.12.",
    )


def _still_running(workflow_id: int) -> WatchEnded:
    return WatchEnded(
        workflow_id=workflow_id,
        verdict=Verdict.HANDED_OVER,
        reason=f"Workflow {workflow_id} still has workers. Recover it when they have left, or "
        f"leave it to `torc-watchd watch {workflow_id} --auto-recover`.",
    )


def _present(counts: JobCounts) -> list[JobStatus]:
    return [status for status in assessment.FAILURES if counts.of(status)]


def _asked(job: Job, requirements: dict[int, Requirements]) -> Requirements | None:
    """The job's row; jobs without one run on the row that the server made for them."""
    if job.requirements_id is not None:
        return requirements.get(job.requirements_id)
    return next((row for row in requirements.values() if row.name == DEFAULT_REQUIREMENTS), None)


def _after_release(counts: JobCounts, orphans: Orphans) -> JobCounts:
    """The counts once dead workers' claims are given back, which is before a plan is made."""
    released = len(orphans.claimed)
    return JobCounts(
        {
            **counts.by_status,
            JobStatus.PENDING: counts.of(JobStatus.PENDING) - released,
            JobStatus.READY: counts.of(JobStatus.READY) + released,
        }
    )


def _interrupted(orphans: Orphans, requirements: dict[int, Requirements]) -> list[Finding]:
    return [diagnosis.interrupted(job, _asked(job, requirements)) for job, _ in orphans.running]
