"""The jobs of a workflow as a table, and as values for scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from torc_watch.core.listed_job import ListedJob
from torc_watch.core.units import duration_text, rounded_memory
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines

_HEAD = ("ID", "NAME", "STATUS", "CODE", "RUN", "TIME", "MEMORY", "NODE")
_NUMBERS = (0, 3, 4, 5, 6)
_BATCH = 10_000  # rows whose columns are aligned


def job_list_lines(jobs: Sequence[ListedJob]) -> Iterator[str]:
    """RUN is the run and the attempt in it; what is not known is empty."""
    for start in range(0, len(jobs), _BATCH):
        rows = map(_cells, jobs[start : start + _BATCH])
        head, *lines = table_lines([_HEAD, *rows], _NUMBERS)
        if not start:
            yield head
        yield from lines


def job_values(job: ListedJob) -> dict[str, Any]:
    return asdict(job) | {"status": job.status.value}


def _cells(job: ListedJob) -> tuple[str, ...]:
    return (
        str(job.id),
        printable(job.name),
        job.status.value,
        "" if job.return_code is None else str(job.return_code),
        "" if job.run_id is None else f"{job.run_id}.{job.attempt}",
        "" if job.seconds is None else duration_text(job.seconds),
        rounded_memory(job.peak_memory) if job.peak_memory else "",
        printable(job.node or ""),
    )
