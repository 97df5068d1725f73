"""Claims and starts jobs, within the free resources of the node."""

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

from torc_watch.core.errors import Conflict, NotFound, ServerError, ServerFault, ServerUnreachable
from torc_watch.core.job_request import DEFAULT_REQUIREMENTS
from torc_watch.core.model import JobStatus, Requirements
from torc_watch.sandbox.runner.assignment import Assignment
from torc_watch.sandbox.runner.free_resources import claim_limit, release, reserve
from torc_watch.sandbox.runner.job import JobLaunch
from torc_watch.sandbox.runner.running_jobs import RunningJobs
from torc_watch.torc.runner_api import ClaimedJob, RunnerApi, WorkerResources

# Seconds: Slurm signals an allocation's worker up to so long before its end.
_STOPPED_BEFORE_END = 120


class JobClaims:
    def __init__(self, assignment: Assignment, node_id: int, resources: WorkerResources) -> None:
        self._assignment = assignment
        self._client = assignment.client
        self._api = RunnerApi(assignment.client.transport)
        self._call = assignment.outage_retry.call
        self._node_id = node_id
        self._free = resources
        self._claimed: dict[int, tuple[ClaimedJob, Requirements]] = {}

    def get(self, job_id: int) -> ClaimedJob:
        return self._claimed[job_id][0]

    def release(self, job_id: int) -> None:
        """Frees the resources of a job whose end has been reported."""
        _, requirements = self._claimed.pop(job_id)
        self._free = release(self._free, requirements)

    async def claim_and_start(self, jobs: RunningJobs) -> bool:
        """Claims and starts the jobs that fit now; False if there were none."""
        limit = claim_limit(self._free, len(jobs), self._assignment.settings.max_parallel_jobs)
        if limit == 0:
            return False
        workflow_id = self._assignment.workflow_id
        claims = await self._call(
            partial(self._api.claim_jobs, workflow_id, self._offer(), limit=limit)
        )
        for claimed in claims:
            if self._assignment.stop.is_set():
                await self._unclaim(claimed)
            else:
                await self._start(claimed, jobs)
        return bool(claims)

    def _offer(self) -> WorkerResources:
        """What is free, and for how long: a job that cannot end in time is not for this worker."""
        ends_at = self._assignment.settings.ends_at
        if ends_at is None:
            return self._free
        left = ends_at - _STOPPED_BEFORE_END - time.time()
        return replace(self._free, time_left=max(0, int(left)))

    async def _start(self, claimed: ClaimedJob, jobs: RunningJobs) -> None:
        log = self._assignment.log.bind(job_id=claimed.job.id)
        try:
            requirements = await self._requirements_of(claimed)
            await self._mark_running(claimed)
        except (Conflict, NotFound, ServerFault) as error:
            log.warning("job_not_started", error=str(error))
            return
        self._free = reserve(self._free, requirements)
        self._claimed[claimed.job.id] = (claimed, requirements)
        log.info("job_started", name=claimed.job.name, attempt=claimed.job.attempt)
        jobs.start(self._launch(claimed, requirements))

    async def _mark_running(self, claimed: ClaimedJob) -> None:
        job_id = claimed.job.id
        answer_was_lost = False

        async def start() -> None:
            nonlocal answer_was_lost
            try:
                run_id = self._assignment.run_id
                await self._api.start_job(job_id, run_id=run_id, node_id=self._node_id)
            except ServerUnreachable:
                answer_was_lost = True
                raise
            except (Conflict, ServerFault) as error:
                job = await self._client.get_job(job_id)
                if answer_was_lost and job.status is JobStatus.RUNNING:
                    return  # the first call took effect, but its answer was lost
                if job.status is JobStatus.PENDING and isinstance(error, ServerFault):
                    raise
                raise Conflict(f"The job is {job.status}, so it cannot be started here.") from error

        await self._call(start)

    async def _unclaim(self, claimed: ClaimedJob) -> None:
        with suppress(ServerError):
            await self._client.set_job_status(
                claimed.job.id, JobStatus.READY, self._assignment.run_id
            )

    async def _requirements_of(self, claimed: ClaimedJob) -> Requirements:
        requirements_id = claimed.job.requirements_id
        if requirements_id is None:
            return Requirements(
                id=0,
                name=DEFAULT_REQUIREMENTS,
                num_cpus=1,
                num_gpus=0,
                num_nodes=1,
                memory=None,
                runtime=None,
            )
        return await self._call(partial(self._api.get_requirements, requirements_id))

    def _launch(self, claimed: ClaimedJob, requirements: Requirements) -> JobLaunch:
        # Torc's default of one minute and 1 MiB is too small even for a shell: it reserves
        # resources but is not enforced.
        is_limited = requirements.name != DEFAULT_REQUIREMENTS
        workflow, script = self._assignment.workflow, claimed.invocation_script
        command = claimed.job.command
        return JobLaunch(
            workflow_id=self._assignment.workflow_id,
            job_id=claimed.job.id,
            run_id=self._assignment.run_id,
            attempt=claimed.job.attempt,
            name=claimed.job.name,
            command=f"{script} {command}" if script else command,
            output_dir=self._assignment.settings.output_dir,
            api_url=self._assignment.settings.connection.url,
            memory_limit=requirements.memory if is_limited and workflow.limits_memory else None,
            runtime_limit=requirements.runtime if is_limited else None,
            kill_codes=workflow.kill_codes,
            env=claimed.env,
            submission_directory=workflow.submission_directory,
        )
