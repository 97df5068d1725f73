"""Connections to servers: one for all watches of a server, while there are any."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup, TaskStatus

from torc_watch.core.errors import ServerError, ServerUnreachable
from torc_watch.engine.supervisor import Supervisor

OpenServer = Callable[[str], AbstractAsyncContextManager[Supervisor]]


@dataclass(slots=True, eq=False)
class _SharedServer:
    supervisor: Supervisor
    users: int = 0
    unused: anyio.Event = field(default_factory=anyio.Event)


class ServerPool:
    """A supervisor for each server: opened for the first watch there, closed after the last."""

    def __init__(self, tasks: TaskGroup, open_server: OpenServer) -> None:
        self._tasks = tasks
        self._open_server = open_server
        self._servers: dict[str, _SharedServer] = {}
        self._locks: dict[str, anyio.Lock] = {}
        self._failures: dict[str, tuple[float, str]] = {}

    @asynccontextmanager
    async def supervisor(self, server: str) -> AsyncIterator[Supervisor]:
        """Raises ServerError. A failed attempt counts for all who asked before it ended."""
        shared = await self._acquire(server)
        try:
            yield shared.supervisor
        finally:
            shared.users -= 1
            if not shared.users:
                shared.unused.set()
                if self._servers.get(server) is shared:
                    del self._servers[server]

    def reopen(self) -> None:
        """Later users get new connections; current users keep the old ones until they leave."""
        self._servers.clear()

    async def _acquire(self, server: str) -> _SharedServer:
        asked = anyio.current_time()
        async with self._locks.setdefault(server, anyio.Lock()):
            if server not in self._servers:
                failed, reason = self._failures.get(server, (-1.0, ""))
                if failed >= asked:
                    raise ServerUnreachable(reason)
                self._servers[server] = await self._open(server)
            self._servers[server].users += 1
            return self._servers[server]

    async def _open(self, server: str) -> _SharedServer:
        try:
            shared: _SharedServer = await self._tasks.start(self._serve, server)
        except ServerError as error:
            self._failures[server] = anyio.current_time(), str(error)
            raise
        return shared

    async def _serve(self, server: str, *, task_status: TaskStatus[_SharedServer]) -> None:
        async with self._open_server(server) as supervisor:
            shared = _SharedServer(supervisor)
            task_status.started(shared)
            await shared.unused.wait()
