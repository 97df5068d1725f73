"""A job as a list of jobs shows it."""

from dataclasses import dataclass

from torc_watch.core.model import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """Of an attempt that has begun there is ``run_id`` and ``attempt``; the rest is of its end.

    ``seconds`` is how long it ran, ``peak_memory`` in bytes.
    """

    id: int
    name: str
    status: JobStatus
    run_id: int | None = None
    attempt: int | None = None
    return_code: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    node: str | None = None
