"""The client with servers that require passwords, restrict access, or are behind TLS."""

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from torc_watch.core.errors import AccessDenied, ServerUnreachable
from torc_watch.sandbox.server import ServerSettings, serve
from torc_watch.torc.client import TorcClient
from torc_watch.torc.event_stream import stream_event_types
from torc_watch.torc.requests import NewJob, NewWorkflow
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from tests.conformance.conftest import StartServer
    from torc_watch.sandbox.server.server_settings import TorcApi

TorcProgram = Callable[[str, str], Path]
OpenProtectedServer = Callable[..., AbstractAsyncContextManager[str]]
# With letters that break with a wrong encoding. Torc 0.12 refuses colons, 1.0 simple passwords.
ACCOUNTS = {"ada": "größer horse battery 77", "eve": "smaller horse battery 78"}
EMBEDDED: dict[str, "TorcApi"] = {"embedded-0.12": "0.12", "embedded-1.0": "1.0"}
REAL = {"torc-0.12.2": "0.12.2", "torc-1.0.0": "1.0.0"}
real_servers = pytest.mark.parametrize("name", list(REAL))
every_server = pytest.mark.parametrize("name", [*EMBEDDED, *REAL])


@pytest.fixture
def protected_server(
    tmp_path: Path, name: str, start_server: "StartServer", torc_program: TorcProgram
) -> OpenProtectedServer:
    """Opens the server ``name`` with further options, for ACCOUNTS only; yields its URL."""
    if name in EMBEDDED:
        return partial(_embedded, tmp_path, EMBEDDED[name])
    accounts = tmp_path / "htpasswd"
    add = [str(torc_program(REAL[name], "torc-htpasswd")), "add", "--file", str(accounts)]
    for user, password in ACCOUNTS.items():
        command = [*add, "--cost", "4", "--password", password, user]
        subprocess.run(command, check=True, capture_output=True)
    options = ("--auth-file", str(accounts), "--require-auth")
    return partial(_real, start_server, name, tmp_path, *options)


@asynccontextmanager
async def _real(start: "StartServer", name: str, folder: Path, *options: str) -> AsyncIterator[str]:
    with start(name, folder, *options) as server:
        yield server.url


@asynccontextmanager
async def _embedded(directory: Path, api_version: "TorcApi") -> AsyncIterator[str]:
    settings = ServerSettings(directory=directory, api_version=api_version, accounts=ACCOUNTS)
    urls, announced = anyio.create_memory_object_stream[str](1)
    with urls, announced:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(serve, settings, announce=urls.send_nowait))
            yield await announced.receive()
            group.cancel_scope.cancel()


@asynccontextmanager
async def client_of(
    url: str, user: str, password: str | None = None, ca_file: Path | None = None
) -> AsyncIterator[TorcClient]:
    """The client of a user with an account, optionally with another password."""
    known = ACCOUNTS[user] if password is None else password
    connection = Connection(url=url, username=user, password=known, ca_file=ca_file)
    async with Transport(connection) as transport:
        yield await TorcClient.connect(transport)


@every_server
async def test_correct_password_is_required(protected_server: OpenProtectedServer) -> None:
    async with protected_server() as url:
        async with client_of(url, "ada") as client:
            assert await client.list_workflows() == []
            await receive_one_event(client)
        for password in ("wrong", ""):
            with pytest.raises(AccessDenied, match="Unauthorized"):
                async with client_of(url, "ada", password):
                    pass
        async with Transport(Connection(url=url)) as transport:
            with pytest.raises(AccessDenied, match="TORC_PASSWORD"):
                await TorcClient.connect(transport)


@real_servers
async def test_workflows_of_other_users_are_denied(
    protected_server: OpenProtectedServer, name: str
) -> None:
    async with protected_server("--enforce-access-control") as url:
        async with client_of(url, "ada") as ada:
            workflow_id = await ada.create_workflow(NewWorkflow(name="private", user="ada"))
            (job_id,) = await ada.create_jobs(workflow_id, [NewJob(name="j", command="true")])
            assert (await ada.get_job(job_id)).name == "j"
        async with client_of(url, "eve") as eve:
            for call in (
                partial(eve.get_workflow, workflow_id),
                partial(eve.list_jobs, workflow_id),
                partial(eve.count_jobs, workflow_id),
                partial(eve.get_job, job_id),
                partial(eve.delete_workflow, workflow_id),
            ):
                with pytest.raises(AccessDenied, match="Ask the workflow's owner for access"):
                    await call()
            assert await eve.list_workflows() == []
            if name == "torc-0.12.2":  # does not check access here, nor in some other requests
                assert not await eve.is_complete(workflow_id)
            else:
                with pytest.raises(AccessDenied):
                    await eve.is_complete(workflow_id)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem of a private authority, and cert.pem and key.pem of 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; it creates the certificates")
    folder = tmp_path_factory.mktemp("authority")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    new += ["-nodes", "-days", "2"]
    root = ["-subj", "/CN=Our own", "-keyout", "ca.key", "-out", "ca.pem"]
    leaf = ["-subj", "/CN=torc", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "key.pem"]
    leaf += ["-out", "cert.pem", "-addext", "subjectAltName=IP:127.0.0.1"]
    leaf += ["-addext", "basicConstraints=critical,CA:FALSE"]
    for arguments in (root, leaf):
        subprocess.run([*new, *arguments], cwd=folder, check=True, capture_output=True)
    return folder


@asynccontextmanager
async def proxy(url: str, authority: Path) -> AsyncIterator[str]:
    """The URL of a TLS proxy for the server at ``url``."""
    port = int(url.split(":")[2].split("/", maxsplit=1)[0])

    async def forward(source: ByteStream, target: ByteStream, ended: anyio.CancelScope) -> None:
        # The first side to disconnect ends both directions.
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
            async for part in source:
                await target.send(part)
        ended.cancel()

    async def handle(client: ByteStream) -> None:
        async with (
            client,
            await anyio.connect_tcp("127.0.0.1", port) as server,
            anyio.create_task_group() as both,
        ):
            both.start_soon(forward, client, server, both.cancel_scope)
            both.start_soon(forward, server, client, both.cancel_scope)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with tcp, anyio.create_task_group() as group:
        group.start_soon(TLSListener(tcp, context, standard_compatible=False).serve, handle)
        yield f"https://127.0.0.1:{tcp.extra(SocketAttribute.local_port)}"  # noqa: S610 - no Django
        group.cancel_scope.cancel()


@every_server
async def test_tls_proxy_with_a_private_authority(
    protected_server: OpenProtectedServer, authority: Path
) -> None:
    async with protected_server() as url, proxy(url, authority) as secure_url:
        async with client_of(secure_url, "ada", ca_file=authority / "ca.pem") as client:
            await receive_one_event(client)
        with pytest.raises(ServerUnreachable, match="ca_file"):
            async with client_of(secure_url, "ada"):
                pass
        with pytest.raises(AccessDenied):
            async with client_of(secure_url, "eve", "wrong", authority / "ca.pem"):
                pass


async def receive_one_event(client: TorcClient) -> None:
    """Make changes and receive an event about them, also through a proxy."""
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    await client.create_jobs(workflow_id, [NewJob(name="j", command="true")])

    async def make_events() -> None:
        # Events are not replayed, and it is unknown when the stream is open: repeat until then.
        while True:
            await client.initialize_jobs(workflow_id)

    async with (
        aclosing(stream_event_types(client.transport, workflow_id)) as events,
        anyio.create_task_group() as working,
    ):
        working.start_soon(make_events)
        assert await anext(events) == "workflow_started"
        working.cancel_scope.cancel()
