"""What is decided for each failed job: retry or skip."""

from dataclasses import dataclass

from torc_watch.core.diagnosis import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A job to run again; the pairs before/after are None where nothing changes."""

    job_id: int
    job_name: str
    cause: Cause
    reason: str
    memory: tuple[int, int] | None = None
    runtime: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A failed job that is not retried. ``restarts_anyway``: Torc's server restarts it anyway."""

    job_id: int
    job_name: str
    cause: Cause
    reason: str
    restarts_anyway: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A dependent that had nothing left to do, and runs again all the same."""

    job_id: int
    job_name: str
