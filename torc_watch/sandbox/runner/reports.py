"""Reports the results of jobs to the server, each exactly once."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from torc_watch.core.errors import Conflict, NotFound, RequestRejected, ServerFault
from torc_watch.core.model import JobStatus
from torc_watch.sandbox.runner.job import JobEnd
from torc_watch.sandbox.runner.outage import OutageRetry
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


def fail_for_missing_outputs(end: JobEnd, missing: list[str]) -> JobEnd:
    """A command that exits with 0 but lacks declared output files has failed with code 1."""
    reason = f"declared output files are missing: {', '.join(missing)}"
    return replace(end, status=JobStatus.FAILED, return_code=MISSING_OUTPUT, reason=reason)


def as_pending_failed(end: JobEnd) -> JobEnd:
    """Failures become pending_failed (``use_pending_failed``); the return code is kept."""
    if end.status is JobStatus.COMPLETED:
        return end
    return replace(end, status=JobStatus.PENDING_FAILED)


class ResultReporter:
    """Reports the results of one compute node's jobs."""

    def __init__(
        self,
        client: TorcClient,
        node_id: int,
        outage_retry: OutageRetry,
        *,
        use_pending_failed: bool,
    ) -> None:
        self._client = client
        self._api = RunnerApi(client.transport)
        self._node_id = node_id
        self._outage_retry = outage_retry
        self._use_pending_failed = use_pending_failed

    async def report(self, end: JobEnd, claimed: ClaimedJob, log: FilteringBoundLogger) -> None:
        """Returns when the server has accepted or refused the result.

        Raises ServerUnreachable if the outage is too long.
        """
        try:
            if end.status is JobStatus.COMPLETED:
                missing = await self._missing_outputs(claimed, log)
                end = fail_for_missing_outputs(end, missing) if missing else end
            if self._use_pending_failed:
                end = as_pending_failed(end)
            _log_end(end, log)
            result = result_of(end, self._node_id)
            await self._outage_retry.call(
                partial(self._client.complete_job, claimed.job.id, result)
            )
        except Conflict as error:
            # Also the answer to a retry after the first answer was lost.
            log.info("result_not_needed", error=str(error))
        except (NotFound, RequestRejected, ServerFault) as error:
            log.warning("result_refused", error=str(error))

    async def _missing_outputs(self, claimed: ClaimedJob, log: FilteringBoundLogger) -> list[str]:
        """The declared output files that do not exist; reports the others' modification times."""
        missing = []
        for file_id in claimed.output_file_ids:
            try:
                path = await self._outage_retry.call(partial(self._api.get_file_path, file_id))
            except (NotFound, RequestRejected, ServerFault) as error:
                missing.append(f"file {file_id} ({error})")
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
            await self._outage_retry.call(
                partial(self._api.set_file_modified, file_id, modified=modified)
            )
        except (Conflict, NotFound, RequestRejected, ServerFault) as error:
            log.warning("file_time_refused", file_id=file_id, error=str(error))


def _modified(path: str) -> float | None:
    """The modification time in seconds since the epoch; None if there is no such file."""
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
