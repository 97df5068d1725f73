"""A server that stands before another one, and whose answers to some requests never end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import httpx
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_END_OF_HEAD = b"\r\n\r\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
_PIECE = b" " * 2**16
_GONE = (anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead)


class EndlessServer:
    """``is_endless`` tells of a path, without the query, whether its answer never ends."""

    def __init__(self, url: httpx.URL, port: int) -> None:
        self.url = str(url.copy_with(port=port))
        self._target = url
        self.is_endless: Callable[[str], bool] = lambda _path: False
        self.sent = 0  # bytes of endless answers

    async def serve(self, client: SocketStream) -> None:
        """Answers one request, and closes the connection."""
        with suppress(*_GONE):
            async with client:
                await self._answer(client, BufferedByteReceiveStream(client))

    async def _answer(self, client: SocketStream, received: BufferedByteReceiveStream) -> None:
        head = (await received.receive_until(_END_OF_HEAD, 2**16)).decode("latin-1")
        method, target, _ = head.split(" ", 2)
        if self.is_endless(target.partition("?")[0]):
            await client.send(_HEAD)
            while True:
                await client.send(_PIECE)
                self.sent += len(_PIECE)
        if target.endswith("/events/stream"):
            await client.send(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
            return
        async with httpx.AsyncClient(trust_env=False) as http:
            url = self._target.join(target)
            answer = await http.request(method, url, content=await _content(head, received))
        line = f"HTTP/1.1 {answer.status_code} .\r\nContent-Type: application/json\r\n"
        await client.send(f"{line}Connection: close\r\n\r\n".encode() + answer.content)


async def _content(head: str, received: BufferedByteReceiveStream) -> bytes:
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return await received.receive_exactly(int(value)) if int(value) else b""
    return b""


@asynccontextmanager
async def open_endless_server(url: str) -> AsyncIterator[EndlessServer]:
    """Before the server at ``url``, on its own port."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
        server = EndlessServer(httpx.URL(url), port)
        group.start_soon(listener.serve, server.serve)
        yield server
        group.cancel_scope.cancel()
