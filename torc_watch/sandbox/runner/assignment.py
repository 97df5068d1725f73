"""What stays the same while a worker serves one run of a workflow."""

from dataclasses import dataclass

import anyio
from structlog.typing import FilteringBoundLogger

from torc_watch.core.model import Allocation, Workflow
from torc_watch.sandbox.runner.outage import OutagePatience
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.client import TorcClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One run to serve, the way to the server, and the event that says it is enough."""

    settings: WorkerSettings
    client: TorcClient
    allocation: Allocation | None
    workflow: Workflow  # as it was when the run was taken up
    stop: anyio.Event
    patience: OutagePatience
    log: FilteringBoundLogger

    @property
    def workflow_id(self) -> int:
        return self.workflow.id

    @property
    def run_id(self) -> int:
        return self.workflow.run_id
