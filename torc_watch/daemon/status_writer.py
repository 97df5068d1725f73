"""Keeps status.json up to date with the status board."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread

from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.status_file import write_status
from torc_watch.daemon.workflow_view import DaemonView

_MIN_INTERVAL = 1.0  # seconds between two writes
_MAX_INTERVAL = 30.0  # seconds: readers see by these writes that the daemon is alive
_SHARE = 0.01  # of the time may be spent on writing, however many workflows there are


class StatusWriter:
    """Writes the board to ``path``: soon after a change that cannot wait, and periodically.

    ``problem`` says why the last attempt failed, else it is empty.
    """

    def __init__(self, path: Path, board: StatusBoard, holder: Holder) -> None:
        self._path = path
        self._board = board
        self._holder = holder
        self._changed = anyio.Event()
        self._lock = anyio.Lock()
        self._writes = 0
        self.problem = ""
        board.subscribe(self._on_change)

    async def run(self) -> None:
        """Until canceled. A file that cannot be written stays as it is: it contains its time."""
        while True:
            self._changed = anyio.Event()
            took = await self.write()
            await anyio.sleep(min(_MAX_INTERVAL, max(_MIN_INTERVAL, took / _SHARE)))
            with anyio.move_on_after(_MAX_INTERVAL):
                await self._changed.wait()

    async def write(self) -> float:
        """Returns when the file shows the board as it is now; the CPU seconds that it took."""
        writes_before = self._writes
        async with self._lock:
            if self._writes > writes_before:  # another call started to write after this one
                return 0.0
            self._writes += 1
            at = datetime.now(UTC).isoformat(timespec="seconds")
            view = DaemonView(holder=self._holder, at=at, workflows=self._board.views)
            try:
                took = await to_thread.run_sync(write_status, self._path, view)
            except OSError as error:
                self.problem = f"{self._path} cannot be written: {describe_os_error(error)}"
                return 0.0
            self.problem = ""
            return took

    def _on_change(self, _: WorkflowKey, can_wait: bool) -> None:
        if not can_wait:
            self._changed.set()
