"""Runs the embedded server on a socket until it is told to stop."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import uvicorn
from starlette.applications import Starlette

from torc_watch.core.errors import SandboxError
from torc_watch.sandbox.server.app import PREFIX, open_server
from torc_watch.sandbox.server.server_settings import ServerSettings

_SHUTDOWN_TIMEOUT = 2
# Longer than the clients' poll interval, so that they need not reconnect for each poll.
_KEEP_ALIVE_TIMEOUT = 120


async def serve(
    settings: ServerSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; call ``announce`` with the URL once it listens.

    Port 0 selects a free port. Raises SandboxError if the port or the directory is in use.
    """
    with _bind(host, port) as listener:
        async with open_server(settings) as app:
            url = f"http://{host}:{listener.getsockname()[1]}{PREFIX}"
            server = _Server(app, lambda: announce(url))
            async with anyio.create_task_group() as group:
                group.start_soon(_stop_on_signal, server, app)
                with anyio.CancelScope(shield=True):
                    await server.serve(sockets=[listener])
                group.cancel_scope.cancel()


class _Server(uvicorn.Server):
    """Does not handle signals, and calls ``ready`` when it listens."""

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
                timeout_keep_alive=_KEEP_ALIVE_TIMEOUT,
                timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
            )
        )
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def _stop_on_signal(server: _Server, app: Starlette) -> None:
    """Wait for a signal or cancellation, then close the streams, which would delay the shutdown."""
    try:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
    finally:
        app.state.close_streams()
        server.should_exit = True


@contextmanager
def _bind(host: str, port: int) -> Iterator[socket.socket]:
    # asyncio disables Nagle's delay (40 ms per response) only if the protocol is given.
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
