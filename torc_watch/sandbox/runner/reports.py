"""Results of jobs, as the server is told them: each once, however often it must be tried."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from torc_watch.core.errors import Conflict, NotFound, RequestRejected, ServerFault
from torc_watch.core.model import JobStatus
from torc_watch.sandbox.runner.job import JobEnd
from torc_watch.sandbox.runner.outage import OutagePatience
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewResult
from torc_watch.torc.runner_api import ClaimedJob, RunnerApi

MISSING_OUTPUT = 1


def result_of(end: JobEnd, node_id: int) -> NewResult:
    return NewResult(
        workflow_id=end.launch.workflow_id,
        run_id=end.launch.run_id,
        attempt=end.launch.attempt,
        compute_node_id=node_id,
        status=end.status,
        return_code=end.return_code,
        exec_seconds=end.exec_seconds,
        completed_at=end.ended_at,
        peak_memory=end.usage.peak_memory,
        average_memory=end.usage.average_memory,
        peak_cpu_percent=end.usage.peak_cpu,
        average_cpu_percent=end.usage.average_cpu,
    )


def without_outputs(end: JobEnd, missing: list[str]) -> JobEnd:
    """A command that succeeded without making its declared files has failed, with code 1."""
    reason = f"declared output files are missing: {', '.join(missing)}"
    return replace(end, status=JobStatus.FAILED, return_code=MISSING_OUTPUT, reason=reason)


def waiting_for_a_person(end: JobEnd) -> JobEnd:
    """What is not completed waits, in a workflow that wants it so; the return code is kept."""
    if end.status is JobStatus.COMPLETED:
        return end
    return replace(end, status=JobStatus.PENDING_FAILED)


class Reporter:
    """Tells the server how jobs of one compute node ended."""

    def __init__(
        self,
        client: TorcClient,
        node_id: int,
        patience: OutagePatience,
        *,
        use_pending_failed: bool,
    ) -> None:
        self._client = client
        self._api = RunnerApi(client.transport)
        self._node_id = node_id
        self._patience = patience
        self._use_pending_failed = use_pending_failed

    async def report(self, end: JobEnd, claimed: ClaimedJob, log: FilteringBoundLogger) -> None:
        """Returns when the server knows, or has refused to. Raises when it cannot be asked."""
        try:
            if end.status is JobStatus.COMPLETED:
                missing = await self._missing_outputs(claimed, log)
                end = without_outputs(end, missing) if missing else end
            if self._use_pending_failed:
                end = waiting_for_a_person(end)
            _log_end(end, log)
            result = result_of(end, self._node_id)
            await self._patience.outlast(partial(self._client.complete_job, claimed.job.id, result))
        except Conflict as error:
            # Also the answer to a repetition when only the first answer was lost.
            log.info("result_not_needed", error=str(error))
        except (NotFound, RequestRejected, ServerFault) as error:
            log.warning("result_refused", error=str(error))

    async def _missing_outputs(self, claimed: ClaimedJob, log: FilteringBoundLogger) -> list[str]:
        """Also tells the server when those that are there were written."""
        missing = []
        for file_id in claimed.output_file_ids:
            try:
                path = await self._patience.outlast(partial(self._api.get_file_path, file_id))
            except (NotFound, RequestRejected, ServerFault) as error:
                missing.append(f"number {file_id}, of which the server says: {error}")
                continue
            modified = _modified(path)
            if modified is None:
                missing.append(path)
            else:
                await self._record_modified(file_id, modified, log)
        return missing

    async def _record_modified(
        self, file_id: int, modified: float, log: FilteringBoundLogger
    ) -> None:
        try:
            await self._patience.outlast(
                partial(self._api.set_file_modified, file_id, modified=modified)
            )
        except (Conflict, NotFound, RequestRejected, ServerFault) as error:
            log.warning("file_time_refused", file_id=file_id, error=str(error))


def _modified(path: str) -> float | None:
    """When the file was last written, in seconds of the epoch; None if there is none."""
    try:
        return Path(path).stat().st_mtime
    except (OSError, ValueError):
        return None


def _log_end(end: JobEnd, log: FilteringBoundLogger) -> None:
    log.info(
        "job_finished",
        status=end.status.value,
        return_code=end.return_code,
        exec_seconds=round(end.exec_seconds, 3),
        peak_memory=end.usage.peak_memory,
        reason=end.reason,
    )
