"""Wakes watches whose plans have been answered: one query for all of them, while any waits."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from torc_watch.core.approval import Proposal
from torc_watch.engine.proposal_table import ProposalTable
from torc_watch.engine.wake_up import WakeUp

_INTERVAL = 2.0  # seconds: the user waits for an effect


class AnswerNotice:
    def __init__(self, table: ProposalTable) -> None:
        self._table = table
        self._waiting: dict[int, WakeUp] = {}  # by the proposal's row
        self._has_waiting = anyio.Event()

    @contextmanager
    def wakes(self, proposal: Proposal | None, wake_up: WakeUp) -> Iterator[None]:
        """Until this is left, an answer to the proposal sets ``wake_up``."""
        if proposal is None:
            yield
            return
        self._waiting[proposal.id] = wake_up
        self._has_waiting.set()
        try:
            yield
        finally:
            del self._waiting[proposal.id]

    async def run(self) -> None:
        """Until canceled. Raises JournalError."""
        while True:
            await self._has_waiting.wait()
            await anyio.sleep(_INTERVAL)
            if not self._waiting:
                self._has_waiting = anyio.Event()
                continue
            for row_id in self._table.answered() & self._waiting.keys():
                self._waiting[row_id].set()
