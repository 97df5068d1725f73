"""Looks for failed jobs that may run again while others of their workflow run."""

from collections import Counter
from collections.abc import Iterable, Mapping

import anyio

from torc_watch.core import events, in_place_gate
from torc_watch.core.in_place_gate import FAILED_IN_PLACE, LastAttempt
from torc_watch.core.model import SLURM, Job, JobCounts, JobResult, JobStatus, Workflow
from torc_watch.engine.failure_search import ExplainedJobs, FailureSearch
from torc_watch.engine.messages import (
    EngineContext,
    FailuresInPlace,
    PollResult,
    Watch,
)
from torc_watch.torc.api_version import is_tested_version


class InPlaceSearch:
    """Asks for failed jobs, and once for the result of each attempt. Only reads."""

    def __init__(self, context: EngineContext, search: FailureSearch) -> None:
        self._client = context.client
        self._journal = context.journal
        self._report = context.report
        self._search = search

    def is_on(self, poll: PollResult) -> bool:
        """Of a workflow with Slurm, or where the user wants it; says once why it is off there."""
        watch, observation = poll.watch, poll.observation
        settings, record = watch.request.recovery, watch.in_place
        is_of_slurm = any(each.scheduler_type == SLURM for each, _ in observation.allocations)
        if settings is None or not in_place_gate.is_wanted(settings, is_of_slurm=is_of_slurm):
            record.is_on = False
            return False
        is_tested = is_tested_version(self._client.version)
        reason = in_place_gate.why_off(settings, observation.workflow, is_tested=is_tested)
        if reason and reason != record.told:
            self._report(events.InPlaceOff(workflow_id=watch.workflow_id, reason=reason))
        record.told, record.is_on = reason, not reason
        return record.is_on

    async def find(self, poll: PollResult) -> FailuresInPlace | None:
        """None also where nothing has changed since these jobs were looked at.

        Raises ServerError, SchedulerError and JournalError.
        """
        watch, counts = poll.watch, poll.observation.counts
        if counts is None or not in_place_gate.is_worth_a_look(counts):
            return None
        record, run_id = watch.in_place, poll.observation.workflow.run_id
        jobs = await self._failed_jobs(watch.workflow_id, counts)
        record.keep({(job.id, run_id, job.attempt): job for job in jobs})
        new = [job for job in jobs if not record.knows((job.id, run_id, job.attempt))]
        has_news = bool(new) and await self._look_at(new, poll)
        completed = counts.of(JobStatus.COMPLETED)
        is_due = completed != record.completed or anyio.current_time() >= record.look_again
        if not record.waiting or not (has_news or is_due):
            return None
        record.completed = completed
        record.look_again = anyio.current_time()  # unless a plan is made for them now
        return FailuresInPlace(
            findings=tuple(record.waiting.values()), counts=counts, others=tuple(record.others)
        )

    async def _failed_jobs(self, workflow_id: int, counts: JobCounts) -> list[Job]:
        return [
            job
            for status in FAILED_IN_PLACE
            if counts.of(status)
            for job in await self._client.list_jobs(workflow_id, status)
        ]

    async def _look_at(self, jobs: list[Job], poll: PollResult) -> bool:
        """Whether any of them is known now."""
        watch, run_id = poll.watch, poll.observation.workflow.run_id
        record, settings = watch.in_place, watch.request.recovery
        results = await self._results(watch.workflow_id, jobs)
        retries = Counter(watch.record.past.in_place)
        most = settings.max_retries if settings else None
        eligible = []
        for job in jobs:
            attempt = LastAttempt(job=job, result=results.get(job.id), retries=retries[job.id])
            if in_place_gate.objection(attempt, run_id, most):
                record.settled.add((job.id, run_id, job.attempt))
            else:
                eligible.append(job)
        explained = await self._explain(eligible, results, poll)
        return self._sort(explained, watch, poll.observation.workflow)

    async def _results(self, workflow_id: int, jobs: Iterable[Job]) -> dict[int, JobResult]:
        return {
            result.job_id: result
            for status in {job.status for job in jobs}
            for result in await self._client.list_results(workflow_id, status)
        }

    async def _explain(
        self, jobs: list[Job], results: Mapping[int, JobResult], poll: PollResult
    ) -> ExplainedJobs:
        output_dir = poll.watch.request.output_dir
        return await self._search.explain(poll.observation, jobs, results, output_dir)

    def _sort(self, explained: ExplainedJobs, watch: Watch, workflow: Workflow) -> bool:
        """Into those that may run again, and those that wait until the workflow is at rest."""
        record, ended = watch.in_place, self._journal.ended_in(watch.record.id)
        for finding in explained.findings:
            key = (finding.job.id, workflow.run_id, finding.job.attempt)
            worker = explained.workers.get(finding.job.id)
            if in_place_gate.objection_to_cause(
                finding, worker, ended, limits_memory=workflow.limits_memory
            ):
                record.settled.add(key)
                record.others.append(finding)
            else:
                record.waiting[key] = finding
        return bool(explained.findings)
