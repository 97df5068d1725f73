"""Runs the watchers and the two stages behind them, and keeps their troubles apart."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream

from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.engine.crash_guard import isolate_crashes, innermost
from torc_watch.engine.diagnoser import Diagnoser
from torc_watch.engine.journal import Identity, Journal
from torc_watch.engine.recoverer import Recoverer
from torc_watch.engine.throttle import ServerThrottle
from torc_watch.engine.watch import Case, Poll, Watch, WatchRequest
from torc_watch.engine.watcher import Watcher
from torc_watch.engine.workflow_lock import hold
from torc_watch.schedulers.base import Scheduler
from torc_watch.torc.client import TorcClient

_QUEUE = 32  # polls, and cases, that may wait; further watchers wait to hand theirs on

Item = TypeVar("Item", Poll, Case)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """What the engine works with; ``locks`` is a folder that all watches of a user share.

    ``epoch`` is that of the lease under which a daemon watches. ``before_change`` is awaited before
    a hook is run or processes are ended here; what it raises keeps that back, as what stands before
    ``client`` and ``scheduler`` does with theirs.
    """

    client: TorcClient
    scheduler: Scheduler
    journal: Journal
    locks: Path
    report: Callable[[Event], None]
    epoch: int | None = None
    before_change: Callable[[], Awaitable[None]] = checkpoint


async def supervise(
    requests: Sequence[WatchRequest], surroundings: EngineContext
) -> dict[int, WatchEnded]:
    """Watches every workflow to its end; the verdicts by workflow id.

    Raises WatchHeld, NotFound or another ServerError before anything is watched, JournalError at
    any time.
    """
    verdicts: dict[int, WatchEnded] = {}
    with ExitStack() as held:
        async with open_supervisor(surroundings) as supervisor:
            watches = [await _begin(request, surroundings, held) for request in requests]

            async def watch_on(watch: Watch) -> None:
                ended = await supervisor.watch_on(watch)
                surroundings.report(ended)
                verdicts[watch.workflow_id] = ended

            async with anyio.create_task_group() as watchers:
                for watch in watches:
                    watchers.start_soon(watch_on, watch)
    return verdicts


@asynccontextmanager
async def open_supervisor(surroundings: EngineContext) -> AsyncIterator["Supervisor"]:
    """Runs the two stages, for as many watches as come and go."""
    try:
        async with anyio.create_task_group() as stages:
            supervisor = Supervisor(surroundings)
            async with supervisor.serve(stages):
                yield supervisor
    except ExceptionGroup as group:
        raise innermost(group) from group


async def _begin(request: WatchRequest, around: EngineContext, held: ExitStack) -> Watch:
    workflow = await around.client.get_workflow(request.workflow_id)
    identity = Identity(
        server=around.client.transport.connection.url,
        workflow_id=workflow.id,
        created=workflow.created,
    )
    held.enter_context(hold(around.locks, identity, around.epoch))
    return Watch(
        request=request,
        name=workflow.name,
        identity=identity,
        record=around.journal.begin_watch(identity),
    )


class Supervisor:
    def __init__(self, surroundings: EngineContext) -> None:
        self._around = surroundings
        self._diagnoser = Diagnoser(surroundings.client, surroundings.report)
        self._recoverer = Recoverer(
            surroundings.client,
            surroundings.scheduler,
            surroundings.journal,
            surroundings.report,
            surroundings.before_change,
        )
        self._courtesy = ServerThrottle()
        self._polls, self._polled = anyio.create_memory_object_stream[Poll](_QUEUE)
        self._cases, self._opened = anyio.create_memory_object_stream[Case](_QUEUE)

    @asynccontextmanager
    async def serve(self, stages: TaskGroup) -> AsyncIterator[None]:
        stages.start_soon(_serve, self._polled, self._diagnose)
        stages.start_soon(_serve, self._opened, self._recover)
        async with self._polls, self._cases:
            yield

    async def watch(self, request: WatchRequest, keep: Callable[[WatchEnded], bool]) -> WatchEnded:
        """Watches one workflow to its end. A watch that is cancelled ends its round first.

        ``keep`` is given the verdict, to keep and report it, before the watch is ended in the
        journal: whoever dies in between, or cannot keep it, finds this watch again, and no new one
        with all its retries. It returns whether the verdict counts; else the watch goes on.

        Raises WatchHeld, NotFound or another ServerError before it is watched, JournalError at any
        time.
        """
        with ExitStack() as held:
            async with self._courtesy.look(request.patience):
                watch = await _begin(request, self._around, held)
            try:
                return await self.watch_on(watch, keep)
            finally:
                # Whoever watches the workflow next would carry out the same round beside us.
                with anyio.CancelScope(shield=True):
                    if watch.in_hand is not None:
                        await watch.in_hand.settled()

    async def watch_on(
        self, watch: Watch, keep: Callable[[WatchEnded], bool] | None = None
    ) -> WatchEnded:
        ended = await self._until_verdict(watch)
        counts = keep is None or keep(ended)
        if counts and _is_settled(watch, ended):
            self._around.journal.end_watch(watch.record.id, ended.verdict.label, ended.reason)
        return ended

    async def _diagnose(self, poll: Poll) -> None:
        answer = await self._diagnoser.explain(poll)
        if isinstance(answer, Case):
            await self._cases.send(answer)
        else:
            poll.reply.decide(answer)

    async def _recover(self, case: Case) -> None:
        case.reply.decide(await self._recoverer.recover(case))

    async def _until_verdict(self, watch: Watch) -> WatchEnded:
        around = self._around

        async def attempt() -> WatchEnded:
            return await Watcher(
                watch, around.client, around.scheduler, self._polls, around.report, self._courtesy
            ).run()

        return await isolate_crashes(watch.workflow_id, attempt, around.report)


def _is_settled(watch: Watch, ended: WatchEnded) -> bool:
    """Otherwise the next watch is this one: a server that stayed away decided nothing, and whoever
    comes next finds a workflow in the middle of a round."""
    return ended.verdict is not Verdict.UNREACHABLE and not watch.record.has_unfinished_plan


async def _serve(
    items: MemoryObjectReceiveStream[Item], handle: Callable[[Item], Awaitable[None]]
) -> None:
    """Handles items side by side; what goes wrong with one goes back to the watcher it is from."""

    async def answer(item: Item) -> None:
        try:
            await handle(item)
        except Exception as error:  # noqa: BLE001 - the watcher raises it, where it is isolate_crashes
            item.reply.fail(error)
        except BaseException:
            item.reply.give_up()
            raise

    async with items:
        try:
            async with anyio.create_task_group() as tasks:
                async for item in items:
                    if item.reply.take():
                        tasks.start_soon(answer, item)
        finally:
            _give_up_rest(items)


def _give_up_rest(items: MemoryObjectReceiveStream[Item]) -> None:
    with suppress(anyio.WouldBlock, anyio.EndOfStream):
        while True:
            items.receive_nowait().reply.give_up()
