"""Initializes the jobs of a workflow, which takes Torc minutes if there are many of them.

Torc 1.0 does it in the background, as a task that clients ask about: the server has at most one
for each workflow, gives it to all who ask for the same, and calls it failed when it is restarted.
On 0.12 the request takes as long as the work, which is undone if the client leaves before.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from torc_watch.core.errors import (
    RequestRejected,
    ServerFault,
    ServerUnreachable,
    TorcWatchError,
)
from torc_watch.torc import wire
from torc_watch.torc.answer_limits import LONG_CALL_SECONDS
from torc_watch.torc.error_responses import excerpt
from torc_watch.torc.pagination import fetch
from torc_watch.torc.transport import Transport

# Seconds between two questions about a task: a part of the time that it has taken so far.
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0
_PART = 0.15
_FIRST_REPORT = 10.0  # seconds; the time between two reports doubles

Progress = Callable[[float], None]  # is told for how many seconds the server has been at it


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInitialization:
    """``is_first_start``: no job was ever initialized, which spares Torc 1.0 a search that grows
    with the square of their number. ``is_done`` tells whether no job is left to initialize.
    """

    transport: Transport
    workflow_id: int
    is_first_start: bool
    is_done: Callable[[], Awaitable[bool]]

    async def in_one_request(self) -> None:
        path = self._path("initialize_jobs")
        await self.transport.post(path, patience=LONG_CALL_SECONDS, **self._query())

    async def in_the_background(self) -> None:
        """One that is under way, perhaps of a process of ours that died, is not started again."""
        active = await self._active_task()
        if active is not None:
            await self._await_end(active)
            if await self.is_done():
                return
        task = await self._start()
        if task is not None:
            await self._await_end(task)

    async def _start(self) -> wire.TaskRow | None:
        """The task; None where the server has initialized the jobs without one.

        After a lost answer, what came of the request.
        """
        path = self._path("initialize_jobs")
        query = {**self._query(), "async": True}
        try:
            answer = await self.transport.post(path, patience=LONG_CALL_SECONDS, **query)
        except (ServerUnreachable, ServerFault):
            active = await self._active_task()
            if active is None and not await self.is_done():
                raise
            return active
        has_task = isinstance(answer, dict) and "id" in answer
        return wire.parse(wire.TaskRow, answer, path) if has_task else None

    async def _active_task(self) -> wire.TaskRow | None:
        try:
            return (await fetch(self.transport, self._path("active_task"), wire.ActiveTaskRow)).task
        except RequestRejected:  # the path is unknown to releases before 1.0
            return None

    async def _await_end(self, task: wire.TaskRow) -> None:
        began = anyio.current_time()
        while not task.has_ended:
            part = _PART * (anyio.current_time() - began)
            await anyio.sleep(min(max(part, _SHORTEST_PAUSE), _LONGEST_PAUSE))
            task = await fetch(self.transport, f"/tasks/{task.id}", wire.TaskRow)
        if not task.has_succeeded:
            raise ServerFault(
                f"The server could not initialize the jobs of workflow {self.workflow_id}: "
                f"{excerpt(task.error or task.status)}. Its log may say why."
            )

    def _path(self, name: str) -> str:
        return f"/workflows/{self.workflow_id}/{name}"

    def _query(self) -> dict[str, bool]:
        return {} if self.is_first_start else {"only_uninitialized": True}


async def with_reports(work: Callable[[], Awaitable[None]], report: Progress) -> None:
    """Awaits ``work``, and reports at growing intervals for how long. Raises TorcWatchError."""
    failures: list[TorcWatchError] = []

    async def attempt() -> None:
        try:
            await work()
        except TorcWatchError as error:  # shall not be wrapped in a group
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_report_time, report)
        await attempt()
        tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]


async def _report_time(report: Progress) -> None:
    began, pause = anyio.current_time(), _FIRST_REPORT
    while True:
        await anyio.sleep(pause)
        pause = anyio.current_time() - began
        report(pause)
