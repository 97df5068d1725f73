"""A proxy that notes the requests that pass through it, by method and path."""

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
_GONE = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError)


class CountingProxy:
    """``requests``, as they came, have names such as ``GET /jobs/{}``, without the API's prefix.

    What comes after a request with a chunked body would be misread; neither client here sends any.
    """

    def __init__(self, url: httpx.URL, port: int) -> None:
        self.url = str(url.copy_with(port=port))
        self.requests: list[str] = []
        self._server = (url.host, url.port or 80)
        self._prefix = url.path

    async def serve(self, client: SocketStream) -> None:
        """Passes one connection on, until either side closes it."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            server = await stack.enter_async_context(await anyio.connect_tcp(*self._server))
            group = await stack.enter_async_context(anyio.create_task_group())
            group.start_soon(_pass_on, server, client, group.cancel_scope)
            with suppress(*_GONE):
                await self._pass_requests_on(client, server)
            group.cancel_scope.cancel()

    async def _pass_requests_on(self, client: SocketStream, server: SocketStream) -> None:
        received = BufferedByteReceiveStream(client)
        while True:
            head = await received.receive_until(_END_OF_HEAD, _LONGEST_HEAD)
            self.requests.append(self._name(head))
            await server.send(head + _END_OF_HEAD)
            length = _CONTENT_LENGTH.search(head)
            left = int(length[1]) if length else 0
            while left:
                part = await received.receive(min(left, _CHUNK))
                await server.send(part)
                left -= len(part)

    def _name(self, head: bytes) -> str:
        method, target, _ = head.decode("latin-1").split(" ", 2)
        path = target.partition("?")[0].removeprefix(self._prefix)
        return f"{method} {_NUMBER.sub('/{}', path)}"


async def _pass_on(
    source: ByteReceiveStream, target: SocketStream, connection: anyio.CancelScope
) -> None:
    with suppress(*_GONE):
        async for part in source:
            await target.send(part)
    connection.cancel()


@asynccontextmanager
async def counting(url: str) -> AsyncIterator[CountingProxy]:
    """A proxy in front of the server at ``url``, on a port of its own."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
        proxy = CountingProxy(httpx.URL(url), port)
        group.start_soon(listener.serve, proxy.serve)
        yield proxy
        group.cancel_scope.cancel()
