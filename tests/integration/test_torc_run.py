"""Torc's own runner as a child process; a shell script replaces Torc's program."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
import structlog
from anyio import to_thread

from torc_watch.core.units import GIB, MIB
from torc_watch.host.processes import processes_with_environment, send_signals
from torc_watch.sandbox.runner import torc_run
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.transport import Connection

SETTINGS = WorkerSettings(
    connection=Connection(url="http://torc.example:8080", username="ada", password="pw"),  # noqa: S106 - not a real one
    workflow_id=7,
    output_dir=Path("/scratch/out"),
    num_cpus=3,
    memory=4 * GIB + 512 * MIB,
    poll_interval=0.5,
)
MARKER = f"TORC_WATCH_TEST={os.getpid()}"


@pytest.fixture(autouse=True)
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Marks all processes of a test; fails if one of them outlives it."""
    monkeypatch.setenv(*MARKER.split("="))
    yield
    left = processes_with_environment(MARKER.encode())
    send_signals(left, signal.SIGKILL)
    assert left == []


@pytest.fixture
def stop() -> anyio.Event:
    return anyio.Event()


async def run(script: str, folder: Path, stop: anyio.Event) -> int:
    program = folder / "torc"
    program.write_text(f"#!/bin/bash\ncd {folder}\n{script}\n")
    program.chmod(0o755)
    with anyio.fail_after(50):
        return await torc_run.run_torc(program, SETTINGS, stop, structlog.get_logger())


async def test_command_line_and_user(tmp_path: Path, stop: anyio.Event) -> None:
    assert await run('printf "%s\\n" "$@" >arguments; env >environment', tmp_path, stop) == 0
    assert (tmp_path / "arguments").read_text().split() == [
        *("--url", "http://torc.example:8080/torc-service/v1", "run", "7"),
        *("--num-cpus", "3", "--memory-gb", "4.5"),
        *("--output-dir", "/scratch/out", "--poll-interval", "0.5"),
    ]
    assert "USER=ada" in (tmp_path / "environment").read_text().splitlines()


@pytest.mark.parametrize(
    ("connection", "environment"),
    [
        ({"username": None, "password": None}, {}),
        ({"ca_file": Path("/ca.pem")}, {"USER": "ada", "TORC_TLS_CA_CERT": "/ca.pem"}),
        ({"verify_tls": False}, {"USER": "ada", "TORC_TLS_INSECURE": "true"}),
    ],
)
def test_environment_for_the_connection(
    connection: dict[str, object], environment: dict[str, str]
) -> None:
    changed = replace(SETTINGS.connection, **connection)  # type: ignore[arg-type]
    settings = replace(SETTINGS, connection=changed)
    assert torc_run.torc_environment(settings) == environment


@pytest.mark.parametrize("memory", [1, 999_999_999, 25_276_502_016, 2**63 - 1])
def test_memory_is_passed_exactly(memory: int) -> None:
    """Torc panics if its jobs release more memory than it had."""
    command = torc_run.torc_command(Path("torc"), replace(SETTINGS, memory=memory))
    assert float(command[command.index("--memory-gb") + 1]) == memory / GIB


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 128 + 9), ("kill -SEGV $$", 128 + 11)],
)
async def test_exit_status_and_cleanup(
    tmp_path: Path, stop: anyio.Event, script: str, status: int
) -> None:
    assert await run(f"(setsid sleep 600 & sleep 600 &)\n{script}", tmp_path, stop) == status
    assert processes_with_environment(MARKER.encode()) == [], "its jobs are killed"


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("trap 'exit 5' TERM", 5),
        ("trap '' TERM", 128 + signal.SIGKILL),
        ("true", 128 + signal.SIGTERM),
    ],
)
async def test_stop(
    tmp_path: Path,
    stop: anyio.Event,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    status: int,
) -> None:
    monkeypatch.setattr(torc_run, "SHUTDOWN_GRACE", 0.1)
    os.mkfifo(tmp_path / "ready")
    statuses: list[int] = []

    async def run_it() -> None:
        script_of_a_runner = f"{script}\necho >ready\nwhile :; do sleep 0.01; done"
        statuses.append(await run(script_of_a_runner, tmp_path, stop))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_it)
        await to_thread.run_sync((tmp_path / "ready").read_text)
        stop.set()
    assert statuses == [status]


async def test_torc_that_cannot_be_started(tmp_path: Path, stop: anyio.Event) -> None:
    (tmp_path / "torc").touch()
    log = structlog.get_logger()
    for name in ("torc", "missing"):
        status = await torc_run.run_torc(tmp_path / name, SETTINGS, stop, log)
        assert status == torc_run.NOT_STARTED
