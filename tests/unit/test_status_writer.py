"""status.json: shown soon, whole at any moment, and not more often than it is worth."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from torc_watch.core import events
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_process
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.status_writer import Publisher

pytestmark = pytest.mark.looptime

ENTRY = WatchedWorkflow(
    server="s", workflow_id=42, choices=WatchOptions(), condition=WatchState.WATCHED
)
LOOKED = events.Polled(workflow_id=42, next_in=60)


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_sync(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)


async def test_what_changes_is_shown_soon_and_routine_in_time(quick_path: Path) -> None:
    path, board = quick_path / "status.json", StatusBoard()
    board.show(ENTRY)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Publisher(path, board, this_process()).run)
        await anyio.sleep(1.5)
        assert phase_in(path) == "starting"

        board.note(LOOKED, "s")
        await anyio.sleep(10)
        assert phase_in(path) == "starting"
        await anyio.sleep(30)
        assert phase_in(path) == "watching"

        board.note(events.WatchPostponed(workflow_id=42, reason="Held.", retry_in=9), "s")
        await anyio.sleep(1.5)
        assert phase_in(path) == "waiting"
        tasks.cancel_scope.cancel()


def phase_in(path: Path) -> str:
    (workflow,) = json.loads(path.read_text())["workflows"]
    return str(workflow["phase"])


async def test_many_who_ask_at_once_are_served_together(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what begins after they asked."""
    written: list[str] = []

    async def run_sync(_: Callable[..., Any], path: Path, *__: Any) -> float:
        written.append(path.name)
        await anyio.sleep(1)
        return 0.0

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)
    publisher = Publisher(quick_path / "status.json", StatusBoard(), this_process())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publisher.publish)
        await anyio.sleep(0.5)
        for _ in range(50):
            tasks.start_soon(publisher.publish)

    assert len(written) == 2


async def test_it_goes_on_when_the_disk_is_full(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, board = quick_path / "status.json", StatusBoard()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Publisher(path, board, this_process()).run)
            await anyio.sleep(1.5)
            assert not path.exists()
            patched.undo()
            await anyio.sleep(40)
            assert json.loads(path.read_text())["holder"]["pid"] == os.getpid()
            tasks.cancel_scope.cancel()


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")
