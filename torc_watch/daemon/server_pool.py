"""The servers whose workflows are watched, each open once for all of them, while there are any."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup, TaskStatus

from torc_watch.core.errors import ServerError, ServerUnreachable
from torc_watch.engine.supervisor import Supervisor

OpenServer = Callable[[str], AbstractAsyncContextManager[Supervisor]]


@dataclass(slots=True, eq=False)
class _Opened:
    supervisor: Supervisor
    users: int = 0
    left: anyio.Event = field(default_factory=anyio.Event)  # by the last of them


class ServerPool:
    """A supervisor for each server: opened for the first watch there, closed after the last."""

    def __init__(self, tasks: TaskGroup, open_server: OpenServer) -> None:
        self._tasks = tasks
        self._open_server = open_server
        self._opened: dict[str, _Opened] = {}
        self._locks: dict[str, anyio.Lock] = {}
        self._refusals: dict[str, tuple[float, str]] = {}

    @asynccontextmanager
    async def supervisor(self, server: str) -> AsyncIterator[Supervisor]:
        """Raises ServerError. What one workflow finds out counts for all that ask just then."""
        opened = await self._enter(server)
        try:
            yield opened.supervisor
        finally:
            opened.users -= 1
            if not opened.users:
                opened.left.set()
                if self._opened.get(server) is opened:
                    del self._opened[server]

    def renew(self) -> None:
        """Whoever comes from now on finds the servers opened anew, beside whoever stays."""
        self._opened.clear()

    async def _enter(self, server: str) -> _Opened:
        asked = anyio.current_time()
        async with self._locks.setdefault(server, anyio.Lock()):
            if server not in self._opened:
                refused, reason = self._refusals.get(server, (-1.0, ""))
                if refused >= asked:
                    raise ServerUnreachable(reason)
                self._opened[server] = await self._open(server)
            self._opened[server].users += 1
            return self._opened[server]

    async def _open(self, server: str) -> _Opened:
        try:
            opened: _Opened = await self._tasks.start(self._serve, server)
        except ServerError as error:
            self._refusals[server] = anyio.current_time(), str(error)
            raise
        return opened

    async def _serve(self, server: str, *, task_status: TaskStatus[_Opened]) -> None:
        async with self._open_server(server) as supervisor:
            opened = _Opened(supervisor)
            task_status.started(opened)
            await opened.left.wait()
