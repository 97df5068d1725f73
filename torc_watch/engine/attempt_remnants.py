"""Ends what is left of failed attempts before their jobs run again beside others.

Torc 1.0 kills only the shell of a job that takes too much memory, if its runner starts jobs as
processes of its own: what the job has started lives on, and would write into the same files as the
next attempt. Any failed job may have left something in the background. Slurm ends all of a job that
runs as a step.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import anyio

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState
from torc_watch.core.errors import SchedulerError
from torc_watch.core.in_place_gate import FAILED_IN_PLACE
from torc_watch.core.in_place_plan import without_retries
from torc_watch.core.model import SLURM, Workflow
from torc_watch.core.recovery_round import Plan
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.engine.in_place_record import InPlaceRecord
from torc_watch.engine.messages import EngineContext, RecoveryRequest
from torc_watch.engine.worker_ends import find_worker_ends
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.torc.concurrency import gather

_PATIENCE = 45.0  # seconds; the other jobs of the batch wait meanwhile
_NOT_LOOKED_FOR = "its processes could not be looked for in time"
_LOST = "it is not known where it ran"


@dataclass(slots=True, kw_only=True)
class RemnantsEnd:
    """``unsure`` says, by the IDs of jobs, why something of their attempts may be left."""

    processes: int = 0
    unsure: dict[int, str]


class RemnantsLeft(Exception):
    """Ends a round in place none of whose retries is safe; the message says why."""


class AttemptRemnants:
    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._client = context.client
        self._cluster = context.cluster

    async def end_before(self, request: RecoveryRequest, plan: Plan) -> None:
        """Jobs of which something may be left wait until the workflow is at rest.

        Raises ServerError and what keeps changes from being made.
        """
        watch = request.watch
        end = await self.end(request.observation.workflow, plan)
        if end.processes:
            self._context.report(
                events.RemnantsEnded(workflow_id=plan.workflow_id, processes=end.processes)
            )
        for reason, jobs in Counter(end.unsure.values()).items():
            self._context.report(
                events.RemnantsUnclear(workflow_id=plan.workflow_id, jobs=jobs, reason=reason)
            )
        scouts = {each.job_id for each in plan.retries if each.is_scout}
        # Those that would wait for a scout wait for it at rest: else each would be the next scout.
        kin = watch.in_place.kin_of(scouts & end.unsure.keys())
        watch.in_place.settle(end.unsure.keys() | kin)

    async def end(self, workflow: Workflow, plan: Plan) -> RemnantsEnd:
        """Ends what is left of the attempts that a plan retries. May be repeated.

        Raises ServerError and what keeps changes from being made.
        """
        attempts = {each.job_id: each.attempt for each in plan.retries if each.attempt is not None}
        end = RemnantsEnd(unsure=dict.fromkeys(attempts, _NOT_LOOKED_FOR))
        await self._context.before_change()
        with anyio.move_on_after(_PATIENCE):
            try:
                workers = await self._workers(workflow, plan.run_id, attempts)
            except SchedulerError as error:
                return RemnantsEnd(unsure=dict.fromkeys(attempts, str(error)))
            end.unsure |= dict.fromkeys(attempts.keys() - workers.keys(), _LOST)
            looks = []
            for worker, job_ids in _by_place(workers):
                ended = EndedAttempts(
                    server=self._client.transport.connection.url,
                    workflow_id=plan.workflow_id,
                    run_id=plan.run_id,
                    attempts={job_id: attempts[job_id] for job_id in job_ids},
                )
                looks.append(partial(self._look, workflow, worker, ended, end))
            await gather(looks)
        return end

    async def _workers(
        self, workflow: Workflow, run_id: int, attempts: Mapping[int, int]
    ) -> dict[int, WorkerEnd]:
        """Those that ran the attempts, by the jobs' IDs. Raises SchedulerError and ServerError."""
        node_ids = {
            result.job_id: result.compute_node_id
            for status in FAILED_IN_PLACE
            for result in await self._client.list_results(workflow.id, status)
            if (result.run_id, result.attempt) == (run_id, attempts.get(result.job_id))
        }
        used = set(node_ids.values())
        nodes = await self._client.list_compute_nodes(workflow.id)
        ran = [node for node in nodes if node.id in used]
        ends = await find_worker_ends(self._client, self._cluster, workflow.id, ran)
        return {
            job_id: ends[node_id]
            for job_id, node_id in node_ids.items()
            if node_id is not None and node_id in ends
        }

    async def _look(
        self, workflow: Workflow, worker: WorkerEnd, ended: EndedAttempts, end: RemnantsEnd
    ) -> None:
        try:
            processes = await self._end(workflow, worker, ended)
        except SchedulerError as error:
            end.unsure |= dict.fromkeys(ended.attempts, str(error))
        else:
            end.processes += processes  # not across an await: others add theirs meanwhile
            for job_id in ended.attempts:
                end.unsure.pop(job_id)

    async def _end(self, workflow: Workflow, worker: WorkerEnd, ended: EndedAttempts) -> int:
        """How many processes. Raises SchedulerError where something may be left."""
        allocation = worker.allocation
        if allocation is None:
            return await self._end_outside(workflow, worker, ended)
        is_step = workflow.spreads_jobs and allocation.scheduler_type == SLURM
        if is_step or _has_ended(worker):
            return 0
        if worker.status is None or worker.status.state is not AllocationState.ALIVE:
            raise SchedulerError(f"{worker.name} may have ended or not")
        try:
            return await self._cluster.end_remnants(allocation, ended)
        except SchedulerError:
            [(_, now)] = await self._cluster.statuses([allocation], max_age=0)
            if now.state is AllocationState.GONE:  # meanwhile
                return 0
            raise

    async def _end_outside(
        self, workflow: Workflow, worker: WorkerEnd, ended: EndedAttempts
    ) -> int:
        """Of a worker that is not in an allocation."""
        node, machine = worker.node, self._cluster.machine
        if node.allocation_id is not None:
            raise SchedulerError(_LOST)
        if await machine.worker_state(node, workflow.id) is None:
            raise SchedulerError(f"it ran on {node.hostname}, outside of Slurm")
        return await machine.end_remnants(ended)


def safe_plan(record: InPlaceRecord, plan: Plan) -> Plan:
    """Without the retries of jobs that wait until the workflow is at rest.

    Raises RemnantsLeft where it has nothing else.
    """
    settled = (
        each.job_id
        for each in plan.retries
        if (each.job_id, plan.run_id, each.attempt) in record.settled
    )
    left = without_retries(plan, frozenset(settled))
    if not (left.retries or left.raises):
        raise RemnantsLeft("processes of the failed attempts may still run")
    return left


def _has_ended(worker: WorkerEnd) -> bool:
    """The allocation, with all that ran in it, or the life of it in which the worker was."""
    is_gone = worker.status is not None and worker.status.state is AllocationState.GONE
    return is_gone or worker.was_requeued


def _by_place(workers: Mapping[int, WorkerEnd]) -> Iterable[tuple[WorkerEnd, list[int]]]:
    """One of the workers of each allocation, or of a life of it, and the jobs that ran there."""
    places: dict[object, tuple[WorkerEnd, list[int]]] = {}
    for job_id, worker in workers.items():
        allocation = worker.allocation
        place = (allocation.id, _has_ended(worker)) if allocation else worker.node.id
        places.setdefault(place, (worker, []))[1].append(job_id)
    return places.values()
