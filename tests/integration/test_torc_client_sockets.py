"""The client with faulty servers on real sockets, and over TLS."""

import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.abc import AnyByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from torc_watch.core.errors import ServerError, ServerFault, ServerUnreachable
from torc_watch.torc import retry_policy
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Answer = Callable[[AnyByteStream], Awaitable[None]]

OK = b'HTTP/1.1 200 OK\r\ncontent-type: text/json\r\ncontent-length: 15\r\n\r\n{"status":"ok"}'


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_policy, "_REQUEST_PAUSE", 0.0)


@asynccontextmanager
async def server(answer: Answer, context: ssl.SSLContext | None = None) -> "AsyncIterator[int]":
    """The port of a server that hands each connection to ``answer`` and closes it."""

    async def serve(connection: AnyByteStream) -> None:
        async with connection:
            await answer(connection)

    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    listener = tcp if context is None else TLSListener(tcp, context)
    async with tcp, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield tcp.extra(SocketAttribute.local_port)  # noqa: S610 - no Django here
        group.cancel_scope.cancel()


def saying(answer: bytes) -> Answer:
    async def say(connection: AnyByteStream) -> None:
        await connection.receive()
        await connection.send(answer)

    return say


async def hang_up(connection: AnyByteStream) -> None:
    await connection.receive()


async def dribble(connection: AnyByteStream) -> None:
    """Sends single bytes slowly, so that a read timeout alone would never expire."""
    await connection.send(OK.replace(b"15", b"15000"))
    with contextlib.suppress(anyio.BrokenResourceError):
        while True:
            await connection.send(b" ")
            await anyio.sleep(0.02)


async def ping(connection: Connection) -> tuple[ServerError | None, int]:
    """The error, if any, and the number of requests."""
    async with Transport(connection) as transport:
        try:
            await transport.get("/ping")
        except ServerError as error:
            return error, transport.requests_sent
    return None, transport.requests_sent


async def test_healthy_server() -> None:
    async with server(saying(OK)) as port:
        assert await ping(Connection(url=f"127.0.0.1:{port}")) == (None, 1)


@pytest.mark.parametrize(
    ("answer", "kind", "attempts"),
    [
        (hang_up, ServerUnreachable, 4),
        (saying(OK[:-5]), ServerUnreachable, 4),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), ServerUnreachable, 4),
        (saying(OK.replace(b"15\r", b"14\r").replace(b'ok"}', b'ok"')), ServerFault, 1),
        (saying(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"), ServerFault, 4),
    ],
    ids=["hangs up", "stops half-way", "no HTTP", "half a JSON", "500"],
)
async def test_misbehaving_server(answer: Answer, kind: type[ServerError], attempts: int) -> None:
    async with server(answer) as port:
        error, sent = await ping(Connection(url=f"127.0.0.1:{port}"))
    assert type(error) is kind
    assert sent == attempts
    assert f"http://127.0.0.1:{port}/torc-service/v1/ping" in str(error)


async def test_endless_answer_times_out() -> None:
    async with (
        server(dribble) as port,
        Transport(Connection(url=f"127.0.0.1:{port}", timeout=0.2)) as transport,
    ):
        with pytest.raises(ServerUnreachable, match=r"within 0\.2 s"):
            await transport.post("/ping")


async def test_closed_port() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound, so that nobody else gets it, and not listening
        error, sent = await ping(Connection(url=f"127.0.0.1:{listener.getsockname()[1]}"))
    assert type(error) is ServerUnreachable
    assert "connection refused" in str(error)
    assert sent == 4


async def test_many_streams_do_not_block_requests() -> None:
    connections = 0

    async def stream_or_answer(connection: AnyByteStream) -> None:
        nonlocal connections
        connections += 1
        while b"/stream" not in await connection.receive():
            await connection.send(OK)
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        await anyio.sleep_forever()

    async with (
        server(stream_or_answer) as port,
        Transport(Connection(url=f"127.0.0.1:{port}", timeout=5)) as transport,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(120):
            await stack.enter_async_context(transport.stream("/stream"))
        for _ in range(3):
            await transport.get("/ping")
    assert connections == 121


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    directory = tmp_path_factory.mktemp("tls")
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=torc", "-keyout", key, "-out", cert),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def context_of(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_unknown_authority_is_refused_with_the_setting_to_use(
    certificate: tuple[Path, Path],
) -> None:
    async with server(saying(OK), context_of(certificate)) as port:
        error, sent = await ping(Connection(url=f"https://127.0.0.1:{port}"))
    assert type(error) is ServerUnreachable
    assert "self-signed certificate" in str(error)
    assert "ca_file" in str(error)
    assert sent == 1


@pytest.mark.parametrize("verify_tls", [True, False])
async def test_trusted_authority(certificate: tuple[Path, Path], *, verify_tls: bool) -> None:
    ca_file = certificate[0] if verify_tls else None
    async with server(saying(OK), context_of(certificate)) as port:
        connection = Connection(
            url=f"https://127.0.0.1:{port}", ca_file=ca_file, verify_tls=verify_tls
        )
        assert await ping(connection) == (None, 1)


async def test_certificate_of_another_host_is_refused(certificate: tuple[Path, Path]) -> None:
    async with server(saying(OK), context_of(certificate)) as port:
        error, _ = await ping(Connection(url=f"https://localhost:{port}", ca_file=certificate[0]))
    assert "localhost" in str(error)


async def test_https_url_of_an_http_server() -> None:
    async with server(saying(OK)) as port:
        error, _ = await ping(Connection(url=f"https://127.0.0.1:{port}"))
    assert "http://" in str(error)
