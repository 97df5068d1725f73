"""Retries jobs while others of their workflow run, without a new run.

Each job is read just before it is changed: one that a user or another program has changed since the
plan was made is passed over.
"""

from collections.abc import Collection
from functools import partial

from torc_watch.core.assessment import FAILURES
from torc_watch.core.canceled_dependents import from_the_top, restorable
from torc_watch.core.errors import Conflict, NotFound
from torc_watch.core.in_place_gate import FAILED_IN_PLACE
from torc_watch.core.model import Dependent, Job, JobStatus
from torc_watch.core.recovery_round import Plan
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather


class InPlaceRetry:
    """The retries of one plan. Its methods raise ServerError."""

    def __init__(self, client: TorcClient, plan: Plan) -> None:
        self._client = client
        self._plan = plan
        self._attempts = {each.job_id: each.attempt for each in plan.retries}

    async def failed_jobs(self) -> list[Job]:
        """Those that are as the plan found them."""
        return [job for job in await self._list(FAILED_IN_PLACE) if self._has_its_attempt(job)]

    async def retry(self, *, is_first: bool) -> None:
        """With their canceled dependents, which wait again; ``is_first`` unless begun before.

        A job that others depend on counts as running until they wait again: else the server may
        cancel them once more, or a worker finish the job before they wait. Raises Conflict where
        another run was started.
        """
        dependents = await self._client.list_dependents(self._plan.workflow_id) or []
        needed = {each.depends_on for each in dependents}
        failed = await self.failed_jobs()
        held = [] if is_first else await self._held()
        held += await self._hold([job for job in failed if job.id in needed])
        if held:
            await self._block({job.id for job in held}, dependents, is_first=is_first)
        free = [job for job in failed if job.id not in needed]
        again = [partial(self._retry, job) for job in held]
        await gather([*again, *(partial(self._retry_failed, job) for job in free)])

    async def _list(self, statuses: Collection[JobStatus]) -> list[Job]:
        return [
            job
            for status in statuses
            for job in await self._client.list_jobs(self._plan.workflow_id, status)
        ]

    def _has_its_attempt(self, job: Job) -> bool:
        return self._attempts.get(job.id) == job.attempt

    async def _held(self) -> list[Job]:
        """Jobs that an earlier process made count as running, and no worker has."""
        running = await self._list([JobStatus.RUNNING])
        planned = [job for job in running if self._has_its_attempt(job)]
        taken = await self._taken() if planned else set()
        return [job for job in planned if job.id not in taken]

    async def _taken(self) -> set[int]:
        """The IDs of the jobs that workers run."""
        workflow_id = self._plan.workflow_id
        calls = [
            partial(self._client.list_active_jobs_on, node.id, workflow_id)
            for node in await self._client.list_compute_nodes(workflow_id)
            if not node.has_ended
        ]
        return {job.id for jobs in await gather(calls) for job in jobs}

    async def _hold(self, jobs: Collection[Job]) -> list[Job]:
        held = await gather([partial(self._hold_one, job) for job in jobs])
        return [job for job in held if job is not None]

    async def _hold_one(self, job: Job) -> Job | None:
        if not await self._has_failed(job):
            return None
        run_id = self._plan.run_id
        await self._client.set_job_status(job.id, JobStatus.RUNNING, run_id)
        if (await self._client.get_job(job.id)).attempt == job.attempt:
            return job
        # A user has retried it since it was read. If a worker has claimed it, the server refuses
        # that the worker starts it, and the worker makes it ready, too.
        if job.id not in await self._taken():
            await self._client.set_job_status(job.id, JobStatus.READY, run_id)
        return None

    async def _block(
        self, held: Collection[int], dependents: Collection[Dependent], *, is_first: bool
    ) -> None:
        """Not those with a result: they ran, and a user may have canceled them.

        A job that waits for a canceled one may be canceled again: so those that it depends on wait
        first.
        """
        canceled = {job.id for job in await self._list([JobStatus.CANCELED])}
        if not canceled:
            return
        run_id, workflow_id = self._plan.run_id, self._plan.workflow_id
        results = await self._client.list_results(workflow_id, JobStatus.CANCELED)
        ran = {each.job_id for each in results if each.run_id == run_id}
        failed = {job.id for job in await self._list(FAILURES)}
        blocked = {job.id for job in await self._list([] if is_first else [JobStatus.BLOCKED])}
        found = restorable(held, canceled - ran, failed | ran, dependents, blocked)
        block = partial(self._client.set_job_status, status=JobStatus.BLOCKED, run_id=run_id)
        for level in from_the_top(found, dependents):
            await gather([partial(block, job_id) for job_id in level])

    async def _retry_failed(self, job: Job) -> None:
        if await self._has_failed(job):
            await self._retry(job)

    async def _retry(self, job: Job) -> None:
        """The server refuses what somebody else has changed meanwhile."""
        try:
            await self._client.retry_job(job.id, run_id=self._plan.run_id, attempt=job.attempt)
        except Conflict:
            workflow = await self._client.get_workflow(self._plan.workflow_id)
            if workflow.run_id != self._plan.run_id:
                raise

    async def _has_failed(self, job: Job) -> bool:
        """Still, in the same attempt."""
        try:
            now = await self._client.get_job(job.id)
        except NotFound:
            return False
        return now.status in FAILED_IN_PLACE and now.attempt == job.attempt
