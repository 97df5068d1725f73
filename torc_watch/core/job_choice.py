"""Which failed jobs a user wants to run again, and with how much at least."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChoice:
    """``jobs`` are IDs or names; empty for all that failed.

    They request at least ``memory`` (bytes) and ``runtime`` (seconds), where these are given.
    """

    jobs: tuple[str, ...] = ()
    memory: int | None = None
    runtime: int | None = None

    def has(self, job_id: int, job_name: str) -> bool:
        return not self.jobs or str(job_id) in self.jobs or job_name in self.jobs
