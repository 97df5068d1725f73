"""What is asked of a scheduler, and what it may answer.

An allocation is one scheduler job that runs Torc workers: a Slurm job on a cluster, a process on a
machine without one.
"""

from dataclasses import dataclass
from enum import StrEnum


class AllocationState(StrEnum):
    ALIVE = "alive"  # queued or running: it may still take jobs
    GONE = "gone"  # surely ended; its running jobs will never report
    UNKNOWN = "unknown"  # nobody could tell, which is not the same as gone


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationFailure:
    """An allocation whose worker ended with an error: ``log`` has its words, here are the last."""

    scheduler_id: int
    log: str
    last_words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRequest:
    """One allocation to submit. ``token`` (letters, digits, ``_.-``) finds it again after a crash.

    ``scheduler_config_id`` is the server's row with the shape asked for; ``memory`` is in bytes.
    """

    token: str
    workflow_id: int
    scheduler_config_id: int
    num_cpus: int
    memory: int
    output_dir: str
