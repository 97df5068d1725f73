"""The context of a worker that serves one run of a workflow."""

from dataclasses import dataclass

import anyio
from structlog.typing import FilteringBoundLogger

from torc_watch.core.model import Allocation, Workflow
from torc_watch.sandbox.runner.outage import OutageRetry
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.client import TorcClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The run to serve, the client, and the event that stops the worker."""

    settings: WorkerSettings
    client: TorcClient
    allocation: Allocation | None
    workflow: Workflow  # its state when the worker started
    stop: anyio.Event
    outage_retry: OutageRetry
    log: FilteringBoundLogger

    @property
    def workflow_id(self) -> int:
        return self.workflow.id

    @property
    def run_id(self) -> int:
        return self.workflow.run_id
