"""A compute node's life: registered, busy with jobs, signed off.

It claims, starts and reports jobs until the workflow is complete or canceled, a new run has begun,
there was nothing to do for too long, it is told to stop, or the server is gone for good.

Only the conversation waits for the server. Jobs go on, and are held to their limits, meanwhile.
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
from torc_watch.sandbox.runner.job_claims import Claims
from torc_watch.sandbox.runner.reports import Reporter
from torc_watch.sandbox.runner.running_jobs import Jobs
from torc_watch.torc.runner_api import WorkerResources, RunnerApi


async def serve_run(assignment: Assignment) -> bool:
    """Serves to the end; False when the server was gone for good or refused.

    Raises ServerError when not even the node could be registered.
    """
    resources = _resources(assignment)
    node_id = await _register(assignment, resources)
    log = assignment.log
    log.info("compute_node_started", compute_node_id=node_id, run_id=assignment.run_id)
    async with anyio.create_task_group() as tasks:
        node = Node(assignment, node_id, Claims(assignment, node_id, resources))
        jobs = Jobs(tasks, node.job_ended)
        tasks.start_soon(node.wake_at_stop)
        is_orderly = True
        try:
            await node.work(jobs)
        except ServerError as error:
            log.warning("worker_gave_up", error=str(error))
            assignment.patience.hurry()
            is_orderly = False
        await node.sign_off(jobs)
        tasks.cancel_scope.cancel()
    log.info("compute_node_ended", compute_node_id=node_id)
    return is_orderly


def _resources(assignment: Assignment) -> WorkerResources:
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
    return await assignment.patience.outlast(register)


class Node:
    """The registered node between its first claim and its last report."""

    def __init__(self, assignment: Assignment, node_id: int, claims: Claims) -> None:
        self._assignment = assignment
        self._client = assignment.client
        self._outlast = assignment.patience.outlast
        self._node_id = node_id
        self._claims = claims
        self._reporter = Reporter(
            assignment.client,
            node_id,
            assignment.patience,
            use_pending_failed=assignment.workflow.use_pending_failed,
        )
        self._ended: deque[JobEnd] = deque()
        self._wake = anyio.Event()
        self._busy_at = anyio.current_time()
        self._checked_at = float("-inf")

    async def work(self, jobs: Jobs) -> None:
        while not self._assignment.stop.is_set():
            await self._report()
            if await self._is_over(jobs):
                return
            if await self._claims.fill(jobs):
                self._busy_at = anyio.current_time()
            if self._has_idled_enough(jobs):
                self._assignment.log.info("nothing_to_do")
                return
            await self._next_event()

    async def sign_off(self, jobs: Jobs) -> None:
        """Ends the jobs that still run, and tells the server what it will hear."""
        jobs.stop()
        while len(jobs):
            await self._next_event()
        # The reports go first: an ended compute node has no running jobs.
        with suppress(ServerError):
            await self._report()
        with suppress(ServerError):
            workflow_id = self._assignment.workflow_id
            await self._outlast(partial(self._client.end_compute_node, workflow_id, self._node_id))

    def job_ended(self, end: JobEnd) -> None:
        self._ended.append(end)
        self._busy_at = anyio.current_time()
        self._wake.set()

    async def wake_at_stop(self) -> None:
        await self._assignment.stop.wait()
        self._wake.set()

    async def _report(self) -> None:
        while self._ended:
            end = self._ended[0]
            job_id = end.launch.job_id
            log = self._assignment.log.bind(job_id=job_id)
            await self._reporter.report(end, self._claims.of(job_id), log)
            self._claims.release(job_id)
            self._ended.popleft()

    async def _is_over(self, jobs: Jobs) -> bool:
        """Asks once per poll interval, not after each of many short jobs."""
        now = anyio.current_time()
        if len(jobs) and now < self._checked_at + self._assignment.settings.poll_interval:
            return False
        self._checked_at = now
        workflow_id = self._assignment.workflow_id
        if await self._outlast(partial(self._client.is_complete, workflow_id)):
            self._assignment.log.info("workflow_over")
            return True
        if len(jobs):  # no new run begins while jobs of this one run
            return False
        workflow = await self._outlast(partial(self._client.get_workflow, workflow_id))
        if workflow.run_id == self._assignment.run_id:
            return False
        self._assignment.log.info("run_over", new_run_id=workflow.run_id)
        return True

    def _has_idled_enough(self, jobs: Jobs) -> bool:
        idle = anyio.current_time() - self._busy_at
        return not len(jobs) and idle >= self._assignment.settings.wait_for_new_jobs

    async def _next_event(self) -> None:
        """Waits for a job's end, for the order to stop, or for the next poll."""
        with anyio.move_on_after(self._assignment.settings.poll_interval):
            await self._wake.wait()
        self._wake = anyio.Event()
