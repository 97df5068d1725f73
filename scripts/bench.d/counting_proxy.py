"""A proxy that records the method and path of each request."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import anyio
import httpx
from anyio.abc import ByteReceiveStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD = 2**16
_CHUNK = 2**16
_NUMBER = re.compile(r"/\d+")
_CONTENT_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_CLOSED = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError)


class CountingProxy:
    """``requests`` has entries such as ``GET /jobs/{}``, in order, without the API's prefix.

    It cannot parse requests after one with a chunked body; neither client here sends any.
    """

    def __init__(self, url: httpx.URL, port: int) -> None:
        self.url = str(url.copy_with(port=port))
        self.requests: list[str] = []
        self._server = (url.host, url.port or 80)
        self._prefix = url.path

    async def serve(self, client: SocketStream) -> None:
        """Forwards one connection until either side closes it."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            server = await stack.enter_async_context(await anyio.connect_tcp(*self._server))
            group = await stack.enter_async_context(anyio.create_task_group())
            group.start_soon(_forward, server, client, group.cancel_scope)
            with suppress(*_CLOSED):
                await self._forward_requests(client, server)
            group.cancel_scope.cancel()

    async def _forward_requests(self, client: SocketStream, server: SocketStream) -> None:
        received = BufferedByteReceiveStream(client)
        while True:
            head = await received.receive_until(_END_OF_HEAD, _LONGEST_HEAD)
            self.requests.append(self._name(head))
            await server.send(head + _END_OF_HEAD)
            length = _CONTENT_LENGTH.search(head)
            remaining = int(length[1]) if length else 0
            while remaining:
                part = await received.receive(min(remaining, _CHUNK))
                await server.send(part)
                remaining -= len(part)

    def _name(self, head: bytes) -> str:
        method, target, _ = head.decode("latin-1").split(" ", 2)
        path = target.partition("?")[0].removeprefix(self._prefix)
        return f"{method} {_NUMBER.sub('/{}', path)}"


async def _forward(
    source: ByteReceiveStream, target: SocketStream, connection: anyio.CancelScope
) -> None:
    with suppress(*_CLOSED):
        async for part in source:
            await target.send(part)
    connection.cancel()


@asynccontextmanager
async def open_proxy(url: str) -> AsyncIterator[CountingProxy]:
    """A proxy for the server at ``url``, on its own port."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
        proxy = CountingProxy(httpx.URL(url), port)
        group.start_soon(listener.serve, proxy.serve)
        yield proxy
        group.cancel_scope.cancel()
