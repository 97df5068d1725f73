"""One task for each workflow: looks, hands on what it saw, waits for what was decided."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from torc_watch.core import events, polling
from torc_watch.core.errors import AccessDenied, NotFound, SchedulerError, ServerError
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.engine.event_listener import WakeUp, listen
from torc_watch.engine.observer import observe
from torc_watch.engine.throttle import ServerThrottle
from torc_watch.engine.watch import Decision, KeepWatching, Poll, StartOver, Watch
from torc_watch.schedulers.base import Scheduler
from torc_watch.torc.client import TorcClient


@dataclass(slots=True)
class _Trouble:
    """Failed looks in a row, and when the first of them was."""

    failures: int = 0
    since: float = 0.0


class Watcher:
    def __init__(
        self,
        watch: Watch,
        client: TorcClient,
        scheduler: Scheduler,
        polls: MemoryObjectSendStream[Poll],
        report: Callable[[Event], None],
        courtesy: ServerThrottle,
    ) -> None:
        self._watch = watch
        self._client = client
        self._scheduler = scheduler
        self._polls = polls
        self._report = report
        self._courtesy = courtesy
        self._wake_up = WakeUp()
        self._trouble = _Trouble()
        self._is_new = True

    async def run(self) -> WatchEnded:
        """Watches until there is a verdict. Raises JournalError."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            ended = await self._watch_on()
            tasks.cancel_scope.cancel()
        return ended

    async def _listen(self) -> None:
        async with self._courtesy.listening() as may_listen:
            if may_listen:
                await listen(self._client.transport, self._watch.workflow_id, self._wake_up)

    async def _watch_on(self) -> WatchEnded:
        if not self._watch.request.once:
            self._announce()
        while True:
            decision = await self._look_or_back_off()
            if isinstance(decision, WatchEnded):
                return decision
            if isinstance(decision, StartOver):
                self._announce()
            elif decision is not None:
                await self._rest(decision)

    async def _rest(self, decision: KeepWatching) -> None:
        wait = self._courtesy.until_next_look(
            self._watch.request.poll_interval, is_first=self._is_new
        )
        self._is_new = False
        if decision.grace:
            wait = min(wait, decision.grace)
        is_resting = decision.grace > 0
        self._report(
            events.Polled(workflow_id=self._watch.workflow_id, next_in=wait, is_resting=is_resting)
        )
        await self._wake_up.wait(wait)

    async def _look_or_back_off(self) -> Decision | None:
        """The decision on one look; None after a look that failed and the pause it called for."""
        workflow_id = self._watch.workflow_id
        try:
            decision = await self._look()
        except NotFound:
            return _ended(
                workflow_id, Verdict.HANDED_OVER, f"Workflow {workflow_id} is gone from the server."
            )
        except AccessDenied as error:
            return _ended(workflow_id, Verdict.UNREACHABLE, str(error))
        except (ServerError, SchedulerError) as error:
            return await self._back_off(error)
        if self._trouble.failures:
            self._trouble = _Trouble()
            self._report(events.PollRecovered(workflow_id=workflow_id))
        return decision

    async def _look(self) -> Decision:
        request = self._watch.request
        if self._watch.in_hand is not None:  # from a watcher before this one, ended by a defect
            await self._watch.in_hand.settled()
        self._wake_up.forget()
        if (trouble := self._courtesy.trouble) and not self._trouble.failures:
            self._report(events.PollDeferred(workflow_id=request.workflow_id, reason=trouble))
        async with self._courtesy.look(request.patience):
            if self._trouble.failures:  # as when the server was upgraded
                await self._client.ask_version()
            observation = await observe(
                self._client,
                self._scheduler,
                request.workflow_id,
                with_counts=request.show_job_counts,
            )
        if observation.counts is not None:
            self._report(
                events.JobsCounted(workflow_id=request.workflow_id, counts=observation.counts)
            )
        poll = Poll(watch=self._watch, observation=observation)
        self._watch.in_hand = poll.reply
        try:
            await self._polls.send(poll)
        except BaseException:
            poll.reply.withdraw()
            raise
        return await poll.reply.wait()

    async def _back_off(self, error: ServerError | SchedulerError) -> WatchEnded | None:
        now = anyio.current_time()
        if not self._trouble.failures:
            self._trouble.since = now
        self._trouble.failures += 1
        patience = self._watch.request.patience
        if patience is not None and now - self._trouble.since >= patience:
            return _ended(self._watch.workflow_id, Verdict.UNREACHABLE, str(error))
        delay = polling.until_next_try(self._trouble.failures, _chance())
        self._report(
            events.PollFailed(
                workflow_id=self._watch.workflow_id, reason=str(error), retry_in=delay
            )
        )
        await anyio.sleep(delay)
        return None

    def _announce(self) -> None:
        request = self._watch.request
        self._report(
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


def _ended(workflow_id: int, verdict: Verdict, reason: str) -> WatchEnded:
    return WatchEnded(workflow_id=workflow_id, verdict=verdict, reason=reason)


def _chance() -> float:
    return random.random()  # noqa: S311 - spreads load, protects nothing
