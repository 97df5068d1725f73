"""A compute node: registers, runs jobs, deregisters.

It claims, starts and reports jobs until the workflow is complete or canceled, a new run has
started, the node has been idle for too long, the worker is stopped, or the server is unreachable
for too long.

During a server outage only the requests wait. Running jobs continue, and limits are enforced.
"""

import os
import socket
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import anyio

from torc_watch.core.errors import ServerError
from torc_watch.sandbox.runner.assignment import Assignment
from torc_watch.sandbox.runner.job import JobEnd
from torc_watch.sandbox.runner.job_claims import JobClaims
from torc_watch.sandbox.runner.reports import ResultReporter
from torc_watch.sandbox.runner.running_jobs import RunningJobs
from torc_watch.torc.runner_api import RunnerApi, WorkerResources


async def serve_run(assignment: Assignment) -> bool:
    """Runs the node until it deregisters; False if the server was unreachable or refused a request.

    Raises ServerError if the node cannot be registered.
    """
    resources = _node_resources(assignment)
    node_id = await _register(assignment, resources)
    log = assignment.log
    log.info("compute_node_started", compute_node_id=node_id, run_id=assignment.run_id)
    async with anyio.create_task_group() as tasks:
        node = Node(assignment, node_id, JobClaims(assignment, node_id, resources))
        jobs = RunningJobs(tasks, node.job_ended)
        tasks.start_soon(node.wake_on_stop)
        is_orderly = True
        try:
            await node.run(jobs)
        except ServerError as error:
            log.warning("worker_gave_up", error=str(error))
            assignment.outage_retry.start_shutdown_grace()
            is_orderly = False
        await node.deregister(jobs)
        tasks.cancel_scope.cancel()
    log.info("compute_node_ended", compute_node_id=node_id)
    return is_orderly


def _node_resources(assignment: Assignment) -> WorkerResources:
    allocation = assignment.allocation
    return WorkerResources(
        num_cpus=assignment.settings.num_cpus,
        memory=assignment.settings.memory,
        num_gpus=assignment.settings.num_gpus,
        scheduler_config_id=allocation.scheduler_config_id if allocation else None,
    )


async def _register(assignment: Assignment, resources: WorkerResources) -> int:
    register = partial(
        RunnerApi(assignment.client.transport).register_node,
        assignment.workflow_id,
        hostname=socket.gethostname(),
        pid=os.getpid(),
        started_at=datetime.now(UTC),
        resources=resources,
        allocation=assignment.allocation,
    )
    return await assignment.outage_retry.call(register)


class Node:
    """A registered compute node."""

    def __init__(self, assignment: Assignment, node_id: int, claims: JobClaims) -> None:
        self._assignment = assignment
        self._client = assignment.client
        self._call = assignment.outage_retry.call
        self._node_id = node_id
        self._claims = claims
        self._reporter = ResultReporter(
            assignment.client,
            node_id,
            assignment.outage_retry,
            use_pending_failed=assignment.workflow.use_pending_failed,
        )
        self._ended: deque[JobEnd] = deque()
        self._wake = anyio.Event()
        self._last_busy = anyio.current_time()
        self._last_check = float("-inf")

    async def run(self, jobs: RunningJobs) -> None:
        while not self._assignment.stop.is_set():
            await self._report()
            if await self._is_over(jobs):
                return
            if await self._claims.claim_and_start(jobs):
                self._last_busy = anyio.current_time()
            if self._is_idle_too_long(jobs):
                self._assignment.log.info("nothing_to_do")
                return
            await self._wait_for_event()

    async def deregister(self, jobs: RunningJobs) -> None:
        """Stops the running jobs, reports them, and deregisters; ignores server errors."""
        jobs.stop()
        while len(jobs):
            await self._wait_for_event()
        # Reports first: an ended compute node must not have running jobs.
        with suppress(ServerError):
            await self._report()
        with suppress(ServerError):
            workflow_id = self._assignment.workflow_id
            await self._call(partial(self._client.end_compute_node, workflow_id, self._node_id))

    def job_ended(self, end: JobEnd) -> None:
        self._ended.append(end)
        self._last_busy = anyio.current_time()
        self._wake.set()

    async def wake_on_stop(self) -> None:
        await self._assignment.stop.wait()
        self._wake.set()

    async def _report(self) -> None:
        while self._ended:
            end = self._ended[0]
            job_id = end.launch.job_id
            log = self._assignment.log.bind(job_id=job_id)
            await self._reporter.report(end, self._claims.get(job_id), log)
            self._claims.release(job_id)
            self._ended.popleft()

    async def _is_over(self, jobs: RunningJobs) -> bool:
        """Polls once per poll interval, not after every short job."""
        now = anyio.current_time()
        if len(jobs) and now < self._last_check + self._assignment.settings.poll_interval:
            return False
        self._last_check = now
        workflow_id = self._assignment.workflow_id
        if await self._call(partial(self._client.is_complete, workflow_id)):
            self._assignment.log.info("workflow_over")
            return True
        if len(jobs):  # no new run starts while jobs of this one are running
            return False
        workflow = await self._call(partial(self._client.get_workflow, workflow_id))
        if workflow.run_id == self._assignment.run_id:
            return False
        self._assignment.log.info("run_over", new_run_id=workflow.run_id)
        return True

    def _is_idle_too_long(self, jobs: RunningJobs) -> bool:
        idle = anyio.current_time() - self._last_busy
        return not len(jobs) and idle >= self._assignment.settings.wait_for_new_jobs

    async def _wait_for_event(self) -> None:
        """Waits for the end of a job, for a stop, or for the next poll."""
        with anyio.move_on_after(self._assignment.settings.poll_interval):
            await self._wake.wait()
        self._wake = anyio.Event()
