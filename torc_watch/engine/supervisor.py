"""Runs watches, and the diagnosis task and the recovery task that serve all of them.

    watcher ──PollResult──▶ diagnosis task ──RecoveryRequest──▶ recovery task
       ▲                         │                                   │
       └──────── Decision ───────┴───────────────────────────────────┘

Different workflows are diagnosed and recovered in parallel. One workflow is in one place at a time:
its watcher polls again only after the decision on its last poll.

A watch that crashes is repeated, and does not end the others (``isolate_crashes``).
"""

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from functools import partial

import anyio
from anyio.abc import TaskGroup

from torc_watch.core import intervals
from torc_watch.core.errors import (
    InvalidInput,
    JournalError,
    LeaseLost,
    RecordUnreadable,
    SchedulerError,
    ServerError,
    WatchHeld,
)
from torc_watch.core.events import Event, Verdict, WatchCrashed, WatchEnded
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.answer_notice import AnswerNotice
from torc_watch.engine.diagnoser import Diagnoser
from torc_watch.engine.messages import (
    Decision,
    EngineContext,
    PollResult,
    RecoveryRequest,
    Watch,
    WatchRequest,
)
from torc_watch.engine.recoverer import Recoverer
from torc_watch.engine.watcher import ServerThrottle, Watcher
from torc_watch.engine.workflow_lock import lock_workflow

_QUEUE = 32  # items that may wait in each queue; further senders wait for room
_ATTEMPTS = 3
_EXPECTED = (
    ServerError,
    SchedulerError,
    WatchHeld,
    InvalidInput,
    RecordUnreadable,
    JournalError,
    LeaseLost,
    BrokenPipeError,  # the reader of the reports is gone
)


async def watch_workflow(request: WatchRequest, context: EngineContext) -> WatchEnded:
    """Watches one workflow to its end. Canceling it cuts off even a round of recovery.

    Raises WatchHeld, NotFound or another ServerError before the watch begins, JournalError at any
    time.
    """
    verdicts: list[WatchEnded] = []

    async def watch() -> None:
        attempt = partial(supervisor.watch, request)
        ended = await isolate_crashes(request.workflow_id, attempt, context.report)
        context.report(ended)
        verdicts.append(ended)
        tasks.cancel_scope.cancel()

    with closing(Supervisor(context)) as supervisor:
        try:
            # One group for all three tasks: only then are a round and its watch canceled together.
            async with anyio.create_task_group() as tasks:
                supervisor.start(tasks)
                tasks.start_soon(watch)
        except ExceptionGroup as group:
            raise innermost(group) from group
    return verdicts[0]


@asynccontextmanager
async def open_supervisor(context: EngineContext) -> AsyncIterator["Supervisor"]:
    """A supervisor whose tasks run until this is left, for as many watches as come and go."""
    with closing(Supervisor(context)) as supervisor:
        try:
            async with anyio.create_task_group() as tasks:
                supervisor.start(tasks)
                yield supervisor
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise innermost(group) from group


class Supervisor:
    """The watches of one server."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._diagnoser = Diagnoser(context)
        self._recoverer = Recoverer(context)
        self._throttle = ServerThrottle()
        self._answers = AnswerNotice(context.journal.proposals)
        self._polls_in, self._polls_out = anyio.create_memory_object_stream[PollResult](_QUEUE)
        self._recoveries_in, self._recoveries_out = anyio.create_memory_object_stream[
            RecoveryRequest
        ](_QUEUE)

    def start(self, tasks: TaskGroup) -> None:
        """Starts the diagnosis task, the recovery task, and that which looks for answers."""
        tasks.start_soon(self._run_diagnoses)
        tasks.start_soon(self._run_recoveries)
        tasks.start_soon(self._answers.run)

    def close(self) -> None:
        """Closes the queues, when both tasks have ended."""
        for stream in (self._polls_in, self._recoveries_in):
            stream.close()
        for queue in (self._polls_out, self._recoveries_out):
            queue.close()

    async def watch(
        self, request: WatchRequest, on_verdict: Callable[[WatchEnded], bool] = lambda _: True
    ) -> WatchEnded:
        """Watches one workflow to its end. A watch that is canceled finishes its round first.

        ``on_verdict`` persists and reports the verdict before the journal closes the watch, so that
        a crash in between resumes this watch, with its retry count, instead of starting a new one.
        It returns whether the verdict counts; otherwise the journal keeps the watch open.

        Raises WatchHeld, NotFound or another ServerError before the watch begins, JournalError at
        any time.
        """
        context = self._context
        async with self._throttle.poll_slot(request.patience):
            workflow = await context.client.get_workflow(request.workflow_id)
        identity = WorkflowIdentity.of(workflow, context.client.transport.connection.url)
        with lock_workflow(context.locks, identity, context.epoch):
            watch = Watch(
                request=request,
                name=workflow.name,
                identity=identity,
                record=context.journal.begin_watch(identity),
                asked=context.clock() if request.goes_at_once else None,
            )
            ended = await self._watcher(watch).run()
            if on_verdict(ended) and _is_final(watch, ended):
                context.journal.end_watch(watch.record.id, ended.verdict.label, ended.reason)
        return ended

    def _watcher(self, watch: Watch) -> Watcher:
        return Watcher(watch, self._context, self._throttle, self._answers, self._decide)

    async def _decide(self, poll: PollResult) -> Decision:
        """What the diagnosis task or the recovery task decides on a poll. Raises their error.

        The guarantee for a watch that is canceled: this returns, and the lock of the workflow is
        released, only when neither task works on its poll any more. A poll result that waits in a
        queue is withdrawn. A diagnosis in progress is finished, and no round follows it. A round in
        progress is finished. Only canceling the two tasks themselves cuts a round off; the next
        watch continues it from the journal.
        """
        try:
            await self._polls_in.send(poll)
            return await poll.outcome  # canceled together with the watcher: withdrawn
        finally:
            with anyio.CancelScope(shield=True):
                async with poll.watch.lock:
                    pass

    async def _run_diagnoses(self) -> None:
        async with anyio.create_task_group() as tasks:
            async for poll in self._polls_out:
                tasks.start_soon(_work_on, poll, partial(self._diagnose, poll))

    async def _run_recoveries(self) -> None:
        async with anyio.create_task_group() as tasks:
            async for request in self._recoveries_out:
                work = partial(self._recoverer.recover, request)
                tasks.start_soon(_work_on, request.poll, work)

    async def _diagnose(self, poll: PollResult) -> Decision | None:
        """None where the recovery task is to decide."""
        answer = await self._diagnoser.assess(poll)
        if not isinstance(answer, RecoveryRequest):
            return answer
        await self._recoveries_in.send(answer)
        return None


async def _work_on(poll: PollResult, work: Callable[[], Awaitable[Decision | None]]) -> None:
    """Does ``work`` unless the poll was withdrawn; its decision or error is the poll's outcome."""
    async with poll.watch.lock:
        if poll.outcome.cancelled():
            return
        try:
            decision = await work()
        except Exception as error:  # noqa: BLE001 - the watcher of this workflow raises it
            if not poll.outcome.cancelled():
                poll.outcome.set_exception(error)
        else:
            if decision is not None and not poll.outcome.cancelled():
                poll.outcome.set_result(decision)


def _is_final(watch: Watch, ended: WatchEnded) -> bool:
    """Otherwise the next watch continues this one: an unreachable server decides nothing, and a
    round that has begun must be finished."""
    return ended.verdict is not Verdict.UNREACHABLE and not watch.record.has_unfinished_plan


async def isolate_crashes(
    workflow_id: int, watch: Callable[[], Awaitable[WatchEnded]], report: Callable[[Event], None]
) -> WatchEnded:
    """The verdict of ``watch``, which is called again after a crash. Raises expected errors."""
    crash: Exception
    for attempt in range(1, _ATTEMPTS + 1):
        outcome = await _verdict_or_crash(watch)
        if isinstance(outcome, WatchEnded):
            return outcome
        crash = outcome
        trace = "".join(traceback.format_exception(crash))
        report(WatchCrashed(workflow_id=workflow_id, error=trace))
        if attempt < _ATTEMPTS:
            await anyio.sleep(intervals.backoff_delay(attempt, 0))
    return WatchEnded(
        workflow_id=workflow_id,
        verdict=Verdict.CRASHED,
        reason=f"Internal error of torc-watch ({_ATTEMPTS} attempts): {crash!r}. "
        "Please report it with the log. The workflow was left as it is.",
    )


async def _verdict_or_crash(watch: Callable[[], Awaitable[WatchEnded]]) -> WatchEnded | Exception:
    try:
        return await watch()
    except Exception as error:  # noqa: BLE001 - a crash of one watch must not end the others
        cause = innermost(error)
        if isinstance(cause, _EXPECTED):
            raise cause from None
        return cause


def innermost(error: Exception) -> Exception:
    """The first cause in nested exception groups."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
