"""Writes the metrics file while the daemon is active, and counts what it shows."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread

from torc_watch.config.settings import Settings
from torc_watch.core.os_errors import describe_os_error
from torc_watch.daemon.daemon_events import DaemonEvent, MetricsUnwritten, WorkflowEvent
from torc_watch.daemon.event_counts import EventCounts
from torc_watch.daemon.lease import Lease
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.news.metrics_file import DaemonMetrics, write_metrics

_INTERVAL = 60.0  # seconds


class MetricsDesk:
    """``settings`` returns the configuration as it is now; without a file nothing is written."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        board: StatusBoard,
        lease: Lease,
        announce: Callable[[DaemonEvent], None],
    ) -> None:
        self._settings = settings
        self._board = board
        self._lease = lease
        self._announce = announce
        self._counts = EventCounts()
        self._problem = ""
        self._active_since: datetime | None = None

    def count(self, event: WorkflowEvent, server: str) -> None:
        self._counts.count(event, server)

    def count_of_daemon(self, event: DaemonEvent) -> None:
        self._counts.count_of_daemon(event)

    async def run(self) -> None:
        """Until canceled."""
        self._active_since = datetime.now(UTC)
        while True:
            await self._write(is_active=True)
            await anyio.sleep(_INTERVAL)

    async def write_last(self) -> None:
        """Says that the daemon has stopped."""
        await self._write(is_active=False)

    async def _write(self, *, is_active: bool) -> None:
        path = self._settings().metrics_file
        if path is not None:
            await self._write_to(path, self._metrics(is_active=is_active))

    async def _write_to(self, path: Path, metrics: DaemonMetrics) -> None:
        try:
            await to_thread.run_sync(write_metrics, path, metrics)
        except OSError as error:
            problem = f"{path} cannot be written: {describe_os_error(error)}"
            if problem != self._problem:
                self._announce(MetricsUnwritten(reason=problem))
            self._problem = problem
        else:
            self._problem = ""

    def _metrics(self, *, is_active: bool) -> DaemonMetrics:
        return DaemonMetrics(
            user=self._settings().user_name(),
            holder=self._lease.me,
            at=datetime.now(UTC),
            active_since=self._active_since,
            is_active=is_active,
            workflows=self._board.views,
            counts=self._counts,
        )
