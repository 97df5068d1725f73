"""The servers whose workflows are watched, each opened once for all of them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio
from anyio.abc import TaskGroup, TaskStatus

from torc_watch.core.errors import ServerError, ServerUnreachable
from torc_watch.engine.supervisor import Supervisor

OpenServer = Callable[[str], AbstractAsyncContextManager[Supervisor]]


class Servers:
    """A supervisor for each server, opened when the first workflow there is to be watched."""

    def __init__(self, tasks: TaskGroup, open_server: OpenServer) -> None:
        self._tasks = tasks
        self._open_server = open_server
        self._supervisors: dict[str, Supervisor] = {}
        self._locks: dict[str, anyio.Lock] = {}
        self._refusals: dict[str, tuple[float, str]] = {}

    async def supervisor(self, server: str) -> Supervisor:
        """Raises ServerError. What one workflow finds out counts for all that ask just then."""
        asked = anyio.current_time()
        async with self._locks.setdefault(server, anyio.Lock()):
            if server not in self._supervisors:
                refused, reason = self._refusals.get(server, (-1.0, ""))
                if refused >= asked:
                    raise ServerUnreachable(reason)
                self._supervisors[server] = await self._opened(server)
            return self._supervisors[server]

    async def _opened(self, server: str) -> Supervisor:
        try:
            supervisor: Supervisor = await self._tasks.start(self._serve, server)
        except ServerError as error:
            self._refusals[server] = anyio.current_time(), str(error)
            raise
        return supervisor

    async def _serve(self, server: str, *, task_status: TaskStatus[Supervisor]) -> None:
        async with self._open_server(server) as supervisor:
            task_status.started(supervisor)
            await anyio.sleep_forever()
