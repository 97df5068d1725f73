"""The embedded server as a separate process that counts its requests.

Argument: the folder for its database. It prints its URL; `/counted` returns the number of requests.
"""

import socket
import sys
from pathlib import Path

import anyio
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.torc.transport import API_PATH

_KEEP_ALIVE = 120  # seconds, as in `torc-watchd sandbox serve`


class RequestCounter:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/counted":
            await PlainTextResponse(str(self._requests))(scope, receive, send)
            return
        self._requests += 1
        await self._app(scope, receive, send)


async def serve(directory: Path) -> None:
    # asyncio disables Nagle's delay only if the protocol is given.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    async with open_server(ServerSettings(directory=directory)) as app:
        config = uvicorn.Config(
            RequestCounter(app),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )
        print(f"http://127.0.0.1:{listener.getsockname()[1]}{API_PATH}", flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    anyio.run(serve, Path(sys.argv[1]))
