"""When the daemon writes status.json."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from torc_watch.core import events
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.status_writer import StatusWriter

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("no_threads")]

WORKFLOW = WatchedWorkflow(
    server="s", workflow_id=42, options=WatchOptions(), state=WatchState.WATCHED
)
POLLED = events.Polled(workflow_id=42, next_in=60)


async def test_phase_change_is_written_soon_and_other_changes_periodically(
    quick_path: Path,
) -> None:
    path, board = quick_path / "status.json", StatusBoard()
    board.show(WORKFLOW)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(StatusWriter(path, board, this_holder()).run)
        await anyio.sleep(1.5)
        assert phase_in(path) == "starting"

        board.update(POLLED, "s")
        await anyio.sleep(10)
        assert phase_in(path) == "starting"
        await anyio.sleep(30)
        assert phase_in(path) == "watching"

        board.update(events.WatchPostponed(workflow_id=42, reason="Held.", retry_in=9), "s")
        await anyio.sleep(1.5)
        assert phase_in(path) == "waiting"
        tasks.cancel_scope.cancel()


def phase_in(path: Path) -> str:
    (workflow,) = json.loads(path.read_text())["workflows"]
    return str(workflow["phase"])


async def test_simultaneous_calls_share_one_write(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That write starts after the last call."""
    written: list[str] = []

    async def run_sync(_: Callable[..., Any], path: Path, *__: Any) -> float:
        written.append(path.name)
        await anyio.sleep(1)
        return 0.0

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)
    writer = StatusWriter(quick_path / "status.json", StatusBoard(), this_holder())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.write)
        await anyio.sleep(0.5)
        for _ in range(50):
            tasks.start_soon(writer.write)

    assert len(written) == 2


async def test_writer_continues_after_a_full_disk(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, board = quick_path / "status.json", StatusBoard()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(StatusWriter(path, board, this_holder()).run)
            await anyio.sleep(1.5)
            assert not path.exists()
            patched.undo()
            await anyio.sleep(40)
            assert json.loads(path.read_text())["holder"]["pid"] == os.getpid()
            tasks.cancel_scope.cancel()


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")
