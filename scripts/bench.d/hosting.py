"""Servers on free ports of the loopback: the embedded one in this process, and the real Torc's."""

import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.streams.text import TextReceiveStream
from real_torc import RealTorc

from torc_watch.sandbox.server import ServerSettings, serve
from torc_watch.torc.transport import normalise_url

_ANNOUNCEMENT = re.compile(r"^TORC_SERVER_PORT=(\d+)$", re.MULTILINE)


@asynccontextmanager
async def over_loopback(settings: ServerSettings) -> AsyncIterator[str]:
    """The embedded server's URL, while the context is open."""
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


@asynccontextmanager
async def torc_server(torc: RealTorc, directory: Path) -> AsyncIterator[str]:
    """The URL of a real server with an empty database in ``directory``."""
    command = [str(torc.server), "run", "--host", "127.0.0.1", "--port", "0"]
    command += ["--database", str(directory / "torc.db"), "--log-level", "error"]
    with (directory / "server.log").open("ab") as log:
        process = await anyio.open_process(command, stderr=log, stdin=subprocess.DEVNULL)
    async with process, anyio.create_task_group() as group:
        assert process.stdout is not None  # noqa: S101 - it is piped
        said = TextReceiveStream(process.stdout)
        try:
            port = await _announced_port(said)
            group.start_soon(_listen_on, said)  # or the server stands still once the pipe is full
            yield normalise_url(f"127.0.0.1:{port}")
        finally:
            process.kill()
            group.cancel_scope.cancel()


async def _announced_port(said: TextReceiveStream) -> int:
    text = ""
    async for part in said:
        text += part
        if found := _ANNOUNCEMENT.search(text):
            return int(found[1])
    raise RuntimeError(f"The server did not start: {text}")


async def _listen_on(said: TextReceiveStream) -> None:
    async for _ in said:
        pass
