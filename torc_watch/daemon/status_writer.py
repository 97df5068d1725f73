"""status.json: what the daemon shows to readers on any login node, in one file, always whole."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.workflow_view import DaemonView

_SOON = 1.0  # seconds until a change is shown
_LATEST = 30.0  # seconds until all is shown again, so that readers see that we live
_SHARE = 0.01  # of the time may be spent on this, however many workflows there are


def publish(path: Path, view: DaemonView) -> float:
    """The seconds of the processor that it took. Raises OSError."""
    began = time.thread_time()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(view)), encoding="utf-8")
    draft.replace(path)
    return time.thread_time() - began


class Publisher:
    """Writes the board to ``path``: soon after a change that matters, and from time to time."""

    def __init__(self, path: Path, board: StatusBoard, holder: Holder) -> None:
        self._path = path
        self._board = board
        self._holder = holder
        self._changed = anyio.Event()
        self._writing = anyio.Lock()
        self._begun = 0
        board.subscribe(self._note)

    async def run(self) -> None:
        """Until cancelled. A file that cannot be written is left as it is: it tells its age."""
        while True:
            self._changed = anyio.Event()
            took = await self.publish()
            await anyio.sleep(min(_LATEST, max(_SOON, took / _SHARE)))
            with anyio.move_on_after(_LATEST):
                await self._changed.wait()

    async def publish(self) -> float:
        """Shows what is known at this moment; the seconds of the processor that it took."""
        begun = self._begun
        async with self._writing:
            if self._begun > begun:  # by somebody who came later
                return 0.0
            self._begun += 1
            at = datetime.now(UTC).isoformat(timespec="seconds")
            view = DaemonView(holder=self._holder, at=at, workflows=self._board.views)
            with suppress(OSError):
                return await to_thread.run_sync(publish, self._path, view)
        return 0.0

    def _note(self, _: WorkflowKey, can_wait: bool) -> None:
        if not can_wait:
            self._changed.set()
