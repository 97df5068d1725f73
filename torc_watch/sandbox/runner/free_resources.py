"""Bookkeeping of a node's free resources."""

from dataclasses import replace

from torc_watch.core.model import Requirements
from torc_watch.torc.runner_api import WorkerResources


def reserve(free: WorkerResources, requirements: Requirements) -> WorkerResources:
    """The free resources after a job starts; an unreadable memory request counts as 0."""
    return replace(
        free,
        num_cpus=free.num_cpus - requirements.num_cpus,
        num_gpus=free.num_gpus - requirements.num_gpus,
        memory=free.memory - (requirements.memory or 0),
    )


def release(free: WorkerResources, requirements: Requirements) -> WorkerResources:
    """The free resources after a job ends: the inverse of ``reserve``."""
    return replace(
        free,
        num_cpus=free.num_cpus + requirements.num_cpus,
        num_gpus=free.num_gpus + requirements.num_gpus,
        memory=free.memory + (requirements.memory or 0),
    )


def claim_limit(free: WorkerResources, running: int, max_parallel: int | None) -> int:
    """How many more jobs to claim."""
    if free.num_cpus <= 0 or free.memory <= 0:
        return 0
    if max_parallel is None:
        return free.num_cpus
    return max(0, min(free.num_cpus, max_parallel - running))
