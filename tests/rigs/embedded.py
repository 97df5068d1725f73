"""The embedded server in this event loop, on a free loopback port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from torc_watch.sandbox.server import ServerSettings, serve


@asynccontextmanager
async def serve_on_loopback(settings: ServerSettings) -> AsyncIterator[str]:
    """Yields the embedded server's URL."""
    listening = anyio.Event()
    urls: list[str] = []

    def announce(url: str) -> None:
        urls.append(url)
        listening.set()

    async def run() -> None:
        await serve(settings, announce=announce)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await listening.wait()
        yield urls[0]
        group.cancel_scope.cancel()
