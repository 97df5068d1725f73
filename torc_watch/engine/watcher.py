"""One watcher for each workflow: it polls, passes on the result, and waits for the decision.

Events of the server shorten the wait for the next poll. A worker that leaves is how the end of a
workflow begins, and a stall; that is rare, so that a poll at once costs the server nothing. All
other events wait for the next poll, which alone decides.
"""

from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

import anyio

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState
from torc_watch.core.assessment import OPEN_ALLOCATION, Observation
from torc_watch.core.errors import (
    AccessDenied,
    NotFound,
    RequestRejected,
    SchedulerError,
    ServerError,
)
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.model import ComputeNode
from torc_watch.engine.messages import (
    Decision,
    EngineContext,
    KeepWatching,
    PollResult,
    StartOver,
    Watch,
)
from torc_watch.engine.throttle import ServerThrottle
from torc_watch.schedulers.base import Machine
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.event_stream import stream_event_types
from torc_watch.torc.retry_policy import jittered_backoff, stream_policy
from torc_watch.torc.transport import Transport

_WORTH_A_POLL = frozenset({"compute_node_stopped", "workflow_reinitialized", "workflow_started"})


@dataclass(slots=True)
class _Outage:
    """Failed polls in a row, and the time of the first of them."""

    failures: int = 0
    since: float = 0.0


class Watcher:
    """``decide`` answers a poll result. Raises what diagnosis or recovery met."""

    def __init__(
        self,
        watch: Watch,
        context: EngineContext,
        throttle: ServerThrottle,
        decide: Callable[[PollResult], Awaitable[Decision]],
    ) -> None:
        self._watch = watch
        self._context = context
        self._throttle = throttle
        self._decide = decide
        self._wake_up = WakeUp()
        self._outage = _Outage()
        self._is_first_wait = True

    async def run(self) -> WatchEnded:
        """Watches until there is a verdict. Raises JournalError."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            ended = await self._poll_until_verdict()
            tasks.cancel_scope.cancel()
        return ended

    async def _listen(self) -> None:
        async with self._throttle.stream_slot() as is_allowed:
            if is_allowed:
                transport = self._context.client.transport
                await listen(transport, self._watch.workflow_id, self._wake_up)

    async def _poll_until_verdict(self) -> WatchEnded:
        if not self._watch.request.once:
            self._announce()
        while True:
            decision = await self._poll_or_back_off()
            if isinstance(decision, WatchEnded):
                return decision
            if isinstance(decision, StartOver):
                self._announce()
            elif decision is not None:
                await self._wait(decision)

    async def _wait(self, decision: KeepWatching) -> None:
        interval = self._watch.request.poll_interval
        delay = self._throttle.next_poll_delay(interval, is_first=self._is_first_wait)
        self._is_first_wait = False
        is_resting = decision.grace > 0
        if is_resting:
            delay = min(delay, decision.grace)
        self._context.report(
            events.Polled(workflow_id=self._watch.workflow_id, next_in=delay, is_resting=is_resting)
        )
        await self._wake_up.wait(delay)

    async def _poll_or_back_off(self) -> Decision | None:
        """The decision on one poll; None after a poll that failed, and its backoff."""
        workflow_id = self._watch.workflow_id
        try:
            decision = await self._poll()
        except NotFound:
            return _ended(
                workflow_id, Verdict.HANDED_OVER, f"Workflow {workflow_id} is gone from the server."
            )
        except AccessDenied as error:
            return _ended(workflow_id, Verdict.UNREACHABLE, str(error))
        except (ServerError, SchedulerError) as error:
            return await self._back_off(error)
        if self._outage.failures:
            self._outage = _Outage()
            self._context.report(events.PollRecovered(workflow_id=workflow_id))
        return decision

    async def _poll(self) -> Decision:
        request, context = self._watch.request, self._context
        self._wake_up.forget()
        if (outage := self._throttle.outage) and not self._outage.failures:
            context.report(events.PollDeferred(workflow_id=request.workflow_id, reason=outage))
        async with self._throttle.poll_slot(request.patience):
            if self._outage.failures:  # the server may have been upgraded
                await context.client.ask_version()
            observation = await observe(
                context.client,
                context.cluster,
                request.workflow_id,
                with_counts=request.show_job_counts,
                max_age=request.poll_interval / 2,  # at each poll of its own a watch has news
            )
        if observation.counts is not None:
            context.report(
                events.JobsCounted(workflow_id=request.workflow_id, counts=observation.counts)
            )
        return await self._decide(PollResult(watch=self._watch, observation=observation))

    async def _back_off(self, error: ServerError | SchedulerError) -> WatchEnded | None:
        now = anyio.current_time()
        if not self._outage.failures:
            self._outage.since = now
        self._outage.failures += 1
        patience = self._watch.request.patience
        if patience is not None and now - self._outage.since >= patience:
            return _ended(self._watch.workflow_id, Verdict.UNREACHABLE, str(error))
        delay = jittered_backoff(self._outage.failures)
        self._context.report(
            events.PollFailed(
                workflow_id=self._watch.workflow_id, reason=str(error), retry_in=delay
            )
        )
        await anyio.sleep(delay)
        return None

    def _announce(self) -> None:
        request = self._watch.request
        self._context.report(
            events.WatchStarted(
                workflow_id=request.workflow_id,
                workflow_name=self._watch.name,
                poll_interval=request.poll_interval,
                auto_recover=request.recovery is not None,
                max_retries=request.recovery.max_retries if request.recovery else None,
                show_job_counts=request.show_job_counts,
                rounds_used=self._watch.record.rounds_used,
            )
        )


class WakeUp:
    """Set by the listener, awaited by the watcher."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        self._event.set()

    def forget(self) -> None:
        """The poll that follows will see what has set it so far, perhaps our own changes."""
        self._event = anyio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns after ``seconds``, or at once when it was set since the last poll."""
        with anyio.move_on_after(seconds):
            await self._event.wait()


async def listen(transport: Transport, workflow_id: int, wake_up: WakeUp) -> None:
    """Listens until canceled; returns when the server has no event stream.

    Other errors are retried. The watcher meets them at its polls too, and reports them there.
    """
    with suppress(NotFound, RequestRejected):
        async for attempt in stream_policy():
            with attempt:
                async with aclosing(stream_event_types(transport, workflow_id)) as stream:
                    async for event in stream:
                        attempt.retry_state.attempt_number = 1  # the stream works: a fresh backoff
                        if event in _WORTH_A_POLL:
                            wake_up.set()


def _ended(workflow_id: int, verdict: Verdict, reason: str) -> WatchEnded:
    return WatchEnded(workflow_id=workflow_id, verdict=verdict, reason=reason)


async def observe(
    client: TorcClient, cluster: Cluster, workflow_id: int, *, with_counts: bool, max_age: float
) -> Observation:
    """What server and schedulers say now; the schedulers' word is at most ``max_age`` s old.

    Raises SchedulerError, ServerError, and NotFound for a deleted workflow.
    """
    workflow = await client.get_workflow(workflow_id)
    counts = await client.count_jobs(workflow_id) if with_counts else None
    allocations = [
        allocation
        for allocation in await client.list_allocations(workflow_id)
        if allocation.status in OPEN_ALLOCATION
    ]
    observation = Observation(
        workflow=workflow,
        counts=counts,
        allocations=await cluster.statuses(allocations, max_age=max_age),
    )
    if observation.may_have_workers:
        return observation
    # Also of a complete workflow: a worker that has yet to notice would claim jobs of the next run.
    unmanaged, idle_elsewhere = await _unmanaged_workers(client, cluster.machine, workflow_id)
    observation = replace(
        observation, unmanaged_workers=tuple(unmanaged), idle_elsewhere=tuple(idle_elsewhere)
    )
    if observation.may_have_workers:
        return observation
    return replace(observation, is_complete=await client.is_complete(workflow_id))


async def _unmanaged_workers(
    client: TorcClient, machine: Machine, workflow_id: int
) -> tuple[list[tuple[ComputeNode, AllocationState]], list[ComputeNode]]:
    """Workers outside of allocations; apart from them those of other machines that hold no job.

    On another machine nothing more can be asked of a worker.
    """
    unmanaged, idle_elsewhere = [], []
    for node in await client.list_compute_nodes(workflow_id):
        if node.allocation_id is not None or node.has_ended:
            continue
        state = await machine.worker_state(node, workflow_id)
        if state is not None:
            unmanaged.append((node, state))
        elif await client.list_active_jobs_on(node.id, workflow_id):
            unmanaged.append((node, AllocationState.UNKNOWN))
        else:
            idle_elsewhere.append(node)
    return unmanaged, idle_elsewhere
