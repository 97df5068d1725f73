"""One workflow as its server has it now: jobs, allocations, and why jobs failed."""

from collections.abc import Iterator, Sequence
from typing import Any

from torc_watch.core.allocation import AllocationState
from torc_watch.core.diagnosis import Finding
from torc_watch.core.model import Allocation, JobCounts
from torc_watch.interfaces.printing import printable
from torc_watch.interfaces.transcript import capped, jobs_text

Allocations = Sequence[tuple[Allocation, AllocationState]]


def live_text(
    counts: JobCounts, allocations: Allocations, findings: Sequence[Finding]
) -> Iterator[str]:
    numbers = (f"{status.value}={number}" for status, number in counts.by_status.items() if number)
    yield f"Jobs: {', '.join(numbers) or 'none'}"
    yield "Open allocations:" if allocations else "No open allocation."
    for allocation, condition in allocations:
        kind = printable(allocation.scheduler_type)
        yield f"  {kind} {allocation.scheduler_id}: {printable(allocation.status)}, {condition}"
    if findings:
        yield f"Failed: {jobs_text(len(findings))}"
        yield from capped(findings, _failure)


def _failure(finding: Finding) -> str:
    job = f"Job {finding.job.id} ({printable(finding.job.name)})"
    return f"  {job}: {finding.cause}, {printable(finding.reason)}"


def live_values(
    counts: JobCounts, allocations: Allocations, findings: Sequence[Finding]
) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "counts": {status.value: number for status, number in counts.by_status.items()},
        "allocations": [
            {
                "scheduler": allocation.scheduler_type,
                "scheduler_id": allocation.scheduler_id,
                "status": allocation.status,
                "state": condition,
            }
            for allocation, condition in allocations
        ],
        "failures": [
            {
                "job_id": finding.job.id,
                "job_name": finding.job.name,
                "cause": finding.cause,
                "reason": finding.reason,
            }
            for finding in findings
        ],
    }
