"""One watcher for each workflow: it polls, passes on the result, and waits for the decision.

The watchers of one server share a throttle.

Events of the server shorten the wait for the next poll. A worker that leaves is how the end of a
workflow begins, and a stall; that is rare, so that a poll at once costs the server nothing. Where
failed jobs may run again while others run, so does a failure, after a moment for those that follow.
All other events wait for the next poll, which alone decides.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

import anyio

from torc_watch.core import events, intervals
from torc_watch.core.assessment import Observation
from torc_watch.core.errors import (
    AccessDenied,
    NotFound,
    SchedulerError,
    ServerError,
    ServerFault,
    ServerUnreachable,
)
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.engine.allocation_notices import allocations_counted
from torc_watch.engine.answer_notice import AnswerNotice
from torc_watch.engine.messages import (
    Decision,
    EngineContext,
    KeepWatching,
    PollResult,
    StartOver,
    Watch,
)
from torc_watch.engine.wake_up import Wake, WakeUp
from torc_watch.engine.workers import observe
from torc_watch.torc.event_stream import stream_event_types
from torc_watch.torc.retry_policy import NO_STREAM, jittered_backoff, stream_policy
from torc_watch.torc.transport import Transport

_MAX_POLLS = 8  # at once; a poll is a handful of requests, one after the other
_MAX_STREAMS = 100  # further watches get no event stream: each costs the server a connection
# A worker deregisters before it closes its allocation, of which no event tells.
_TO_CLOSE = 2.0  # seconds
_WORTH_A_POLL = dict.fromkeys(
    ("compute_node_stopped", "workflow_reinitialized", "workflow_started"), Wake.CHANGE
) | dict.fromkeys(("job_failed", "job_terminated"), Wake.FAILURE)


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
        throttle: "ServerThrottle",
        answers: AnswerNotice,
        decide: Callable[[PollResult], Awaitable[Decision]],
    ) -> None:
        self._watch = watch
        self._context = context
        self._throttle = throttle
        self._answers = answers
        self._decide = decide
        self._wake_up = WakeUp()
        self._outage = _Outage()
        self._is_first_wait = True
        self._was_woken = False  # for the last poll
        self._allocations: events.AllocationsCounted | None = None  # as reported last

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
                await listen(
                    transport,
                    self._watch.workflow_id,
                    self._wake_up,
                    minds_failures=lambda: self._watch.in_place.is_on,
                )

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
        if decision.grace > 0:
            delay = min(delay, decision.grace)
        delay = min(delay, decision.at_most)
        if self._was_woken:
            delay = min(delay, _TO_CLOSE)
        self._context.report(_polled(self._watch.workflow_id, delay, decision))
        with self._answers.wakes(decision.proposal, self._wake_up):
            began = anyio.current_time()
            reason = await self._wake_up.wait(delay)
        if reason is Wake.FAILURE:
            reason = await self._await_other_failures(began)
        self._was_woken = reason is Wake.CHANGE

    async def _await_other_failures(self, last_poll: float) -> Wake:
        """They are looked at together, and the server is not polled for each of a long series."""
        await anyio.sleep_until(last_poll + intervals.BETWEEN_FAILURES)
        return await self._wake_up.settle(
            quiet=intervals.QUIET_AFTER_FAILURE, at_most=intervals.FAILURES_TOGETHER
        )

    async def _poll_or_back_off(self) -> Decision | None:
        """The decision on one poll; None after a poll that failed, and its backoff."""
        workflow_id = self._watch.workflow_id
        try:
            decision = await self._poll()
        except NotFound:
            reason = f"Workflow {workflow_id} is gone from the server."
            return WatchEnded.handed_over(workflow_id, reason)
        except AccessDenied as error:
            return _unreachable(workflow_id, error)
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
                silent_nodes_are_off=request.once,
                while_asking=self._throttle.lend_slot,
            )
        if observation.counts is not None:
            context.report(
                events.JobsCounted(workflow_id=request.workflow_id, counts=observation.counts)
            )
        self._report_allocations(observation)
        return await self._decide(PollResult(watch=self._watch, observation=observation))

    def _report_allocations(self, observation: Observation) -> None:
        counted = allocations_counted(self._watch.workflow_id, observation)
        if counted != self._allocations:
            self._allocations = counted
            self._context.report(counted)

    async def _back_off(self, error: ServerError | SchedulerError) -> WatchEnded | None:
        now = anyio.current_time()
        if not self._outage.failures:
            self._outage.since = now
        self._outage.failures += 1
        patience = self._watch.request.patience
        if patience is not None and now - self._outage.since >= patience:
            return _unreachable(self._watch.workflow_id, error)
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
        self._watch.in_place.told = ""
        self._context.report(
            events.WatchStarted(
                workflow_id=request.workflow_id,
                workflow_name=self._watch.name,
                poll_interval=request.poll_interval,
                auto_recover=request.recovery is not None,
                max_retries=request.recovery.max_retries if request.recovery else None,
                show_job_counts=request.show_job_counts,
                rounds_used=self._watch.record.past.used,
            )
        )


def _polled(workflow_id: int, delay: float, decision: KeepWatching) -> events.Polled:
    postponement = decision.postponement
    return events.Polled(
        workflow_id=workflow_id,
        next_in=delay,
        is_resting=decision.grace > 0,
        waits_until=postponement.until if postponement else None,
        waits_for=postponement.phrase if postponement else "",
        waiting=decision.proposal.published() if decision.proposal else None,
    )


async def listen(
    transport: Transport,
    workflow_id: int,
    wake_up: WakeUp,
    minds_failures: Callable[[], bool] = lambda: False,
) -> None:
    """Listens until canceled; returns when the server has no event stream, or none of use.

    Other errors are retried. The watcher meets them at its polls too, and reports them there.
    """
    with suppress(*NO_STREAM):
        async for attempt in stream_policy():
            with attempt:
                async with aclosing(stream_event_types(transport, workflow_id)) as stream:
                    async for event in stream:
                        attempt.retry_state.attempt_number = 1  # the stream works: a fresh backoff
                        reason = _WORTH_A_POLL.get(event, Wake.DUE)
                        if reason is Wake.CHANGE or (reason and minds_failures()):
                            wake_up.set(reason)


class ServerThrottle:
    """How the watchers of one server share it.

    A few poll at once, however many there are. While the server fails, one of them retries it with
    backoff, and the others wait for the outcome.
    """

    def __init__(self) -> None:
        self._polls = anyio.CapacityLimiter(_MAX_POLLS)
        self._streams = anyio.Semaphore(_MAX_STREAMS)
        self._retrying = anyio.Lock()
        self._failures = 0
        self._last_error = ""
        self._not_before = 0.0
        self._planned = Counter[int]()

    @property
    def outage(self) -> str:
        """The error of the last attempt; empty while the server answers."""
        return self._last_error if self._failures else ""

    @asynccontextmanager
    async def poll_slot(self, patience: float | None = None) -> AsyncIterator[None]:
        """Waits for a slot. What is raised inside tells whether the server fails.

        Raises ServerUnreachable, with the error of the last attempt, when the next attempt is
        further away than ``patience``, in seconds.
        """
        async with self._polls:
            if not self._failures:  # not even of those that had their slot while this one waited
                async with self._track_outage():
                    yield
                return
            async with self._retrying:
                pause = self._not_before - anyio.current_time()
                if patience is not None and pause > patience:
                    raise ServerUnreachable(self._last_error)
                await anyio.sleep_until(self._not_before)
                async with self._track_outage():
                    yield

    @asynccontextmanager
    async def lend_slot(self) -> AsyncIterator[None]:
        """Lends the caller's slot to other polls while it waits for something else.

        A squeue that takes long would delay workflows that have nothing of Slurm's; and all that
        wait for it together are served by one.
        """
        self._polls.release()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._polls.acquire()

    def next_poll_delay(self, interval: float, *, is_first: bool) -> float:
        """Seconds, about ``interval``, until a poll at a time with the fewest other polls."""
        now = anyio.current_time()
        for second in [second for second in self._planned if second < int(now)]:
            del self._planned[second]
        chance = random.random()  # noqa: S311 - spreads load, protects nothing
        moment = intervals.next_poll_time(now, interval, chance, self._planned, is_first=is_first)
        self._planned[int(moment)] += 1
        return moment - now

    @asynccontextmanager
    async def stream_slot(self) -> AsyncIterator[bool]:
        """Whether one more event stream is allowed; if so, it counts until this is left."""
        try:
            self._streams.acquire_nowait()
        except anyio.WouldBlock:
            yield False
            return
        try:
            yield True
        finally:
            self._streams.release()

    @asynccontextmanager
    async def _track_outage(self) -> AsyncIterator[None]:
        failures = self._failures
        try:
            yield
        except (ServerUnreachable, ServerFault) as error:
            if self._failures == failures:  # simultaneous errors of several watches count once
                self._record_failure(str(error))
            raise
        self._failures, self._not_before = 0, 0.0

    def _record_failure(self, reason: str) -> None:
        self._failures += 1
        self._last_error = reason
        self._not_before = anyio.current_time() + jittered_backoff(self._failures)


def _unreachable(workflow_id: int, error: Exception) -> WatchEnded:
    return WatchEnded(workflow_id=workflow_id, verdict=Verdict.UNREACHABLE, reason=str(error))
