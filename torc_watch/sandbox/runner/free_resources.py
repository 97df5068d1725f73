"""What of a node is free for jobs."""

from dataclasses import replace

from torc_watch.core.model import Requirements
from torc_watch.torc.runner_api import WorkerResources


def take(free: WorkerResources, requirements: Requirements) -> WorkerResources:
    """What is left beside a job; a memory request that nobody can read takes none."""
    return replace(
        free,
        num_cpus=free.num_cpus - requirements.num_cpus,
        num_gpus=free.num_gpus - requirements.num_gpus,
        memory=free.memory - (requirements.memory or 0),
    )


def give_back(free: WorkerResources, requirements: Requirements) -> WorkerResources:
    """The inverse of ``take``."""
    return replace(
        free,
        num_cpus=free.num_cpus + requirements.num_cpus,
        num_gpus=free.num_gpus + requirements.num_gpus,
        memory=free.memory + (requirements.memory or 0),
    )


def claim_limit(free: WorkerResources, running: int, max_parallel: int | None) -> int:
    """How many more jobs to ask for; 0 when there is no room."""
    if free.num_cpus <= 0 or free.memory <= 0:
        return 0
    if max_parallel is None:
        return free.num_cpus
    return max(0, min(free.num_cpus, max_parallel - running))
