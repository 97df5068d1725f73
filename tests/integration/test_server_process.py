"""The embedded server as a separate process on a real socket: start and shutdown."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from torc_watch.core.errors import SandboxError
from torc_watch.sandbox.server import ServerSettings, open_server, serve

PROGRAM = """
import sys
from pathlib import Path
import anyio
from torc_watch.sandbox.server import ServerSettings, serve

async def main():
    settings = ServerSettings(directory=Path(sys.argv[1]), unblock_interval=0.01)
    await serve(settings, announce=lambda url: print(url, flush=True))

anyio.run(main)
"""
WORKFLOW = {"name": "w", "user": "u"}


@contextmanager
def server_process(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server and its URL; killed at the end if it still runs."""
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_without_output_despite_an_open_stream(
    tmp_path: Path, stop_signal: signal.Signals
) -> None:
    with server_process(tmp_path) as (process, url):
        httpx.post(f"{url}/workflows", json=WORKFLOW).raise_for_status()
        with httpx.stream("GET", f"{url}/workflows/1/events/stream") as stream:
            assert stream.status_code == 200
            process.send_signal(stop_signal)
            assert list(stream.iter_lines()) == []
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors) == (0, "", "")


async def test_second_server_on_a_directory_is_refused(tmp_path: Path) -> None:
    async with open_server(ServerSettings(directory=tmp_path)):
        await expect_refusal(tmp_path, "Another server uses the directory")
    async with open_server(ServerSettings(directory=tmp_path)):
        pass  # the first server released the directory


async def test_error_names_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SandboxError, match=f"Cannot listen on 127.0.0.1:{port}"):
            await serve(ServerSettings(directory=tmp_path), port=port, announce=lambda _: None)


async def test_error_names_an_impossible_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    await expect_refusal(tmp_path / "file" / "below", "cannot be used")


async def test_error_names_an_unreadable_database(tmp_path: Path) -> None:
    (tmp_path / "torc.db").write_text("no database " * 100)
    await expect_refusal(tmp_path, "torc.db cannot be used: file is not a database")


async def test_error_names_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "torc.db").mkdir()
    await expect_refusal(tmp_path, "torc.db cannot be used: unable to open")


async def expect_refusal(directory: Path, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason):
        async with open_server(ServerSettings(directory=directory)):
            pass
