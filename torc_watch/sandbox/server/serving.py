"""The embedded server on a real socket."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import uvicorn
from starlette.applications import Starlette

from torc_watch.core.errors import SandboxError
from torc_watch.sandbox.server.app import PREFIX, open_server
from torc_watch.sandbox.server.settings import ServerSettings

_SECONDS_FOR_OPEN_REQUESTS = 2
# Longer than clients pause between polls, so that they need not connect anew for each.
_SECONDS_OF_IDLE_CONNECTIONS = 120


async def serve(
    settings: ServerSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; call ``announce`` with the URL once it listens.

    Port 0 takes a free one. Raises SandboxError when the port or the directory is taken.
    """
    with _listening(host, port) as listener:
        async with open_server(settings) as app:
            url = f"http://{host}:{listener.getsockname()[1]}{PREFIX}"
            server = _Server(app, lambda: announce(url))
            async with anyio.create_task_group() as group:
                group.start_soon(_stop_when_asked, server, app)
                with anyio.CancelScope(shield=True):
                    await server.serve(sockets=[listener])
                group.cancel_scope.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to us, and says when it listens."""

    def __init__(self, app: Starlette, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_SECONDS_OF_IDLE_CONNECTIONS,
                timeout_graceful_shutdown=_SECONDS_FOR_OPEN_REQUESTS,
            )
        )
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def _stop_when_asked(server: _Server, app: Starlette) -> None:
    """Wait for a signal or for cancellation; open streams would hold up the end of the server."""
    try:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
    finally:
        app.state.close_streams()
        server.should_exit = True


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    # asyncio turns Nagle's delay off, 40 ms for each answer, only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except OSError as error:
            raise SandboxError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port."
            ) from error
        yield listener
