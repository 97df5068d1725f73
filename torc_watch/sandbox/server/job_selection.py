"""Selects jobs that fit together into a worker's resources; the API versions differ for nodes."""

from collections.abc import Sequence
from operator import le
from typing import NamedTuple

from torc_watch.core.units import GIB
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.store import Row

UNLIMITED = 2**62


class ResourceAmounts(NamedTuple):
    """The resources that a job requires, or that a worker has."""

    memory_bytes: int
    num_cpus: int
    num_gpus: int
    num_nodes: int

    @classmethod
    def of(cls, resources: bodies.NodeResources) -> "ResourceAmounts":
        memory_bytes = int(min(resources.memory_gb * GIB, UNLIMITED))
        return cls(memory_bytes, resources.num_cpus, resources.num_gpus, resources.num_nodes)


def select_fitting(jobs: Sequence[Row], resources: bodies.NodeResources) -> list[int]:
    """The ids of jobs that fit together, in order; skips jobs that exceed what remains.

    Only multi-node jobs use up nodes; the others share them.
    """
    remaining = ResourceAmounts.of(resources)._asdict()
    chosen = []
    for job in jobs:
        need = {name: job[name] for name in remaining}
        if need["num_nodes"] <= 1:
            need["num_nodes"] = 0
        if all(need[name] <= remaining[name] for name in remaining):
            remaining = {name: remaining[name] - need[name] for name in remaining}
            chosen.append(job["id"])
    return chosen


class NodePool:
    """The nodes of a worker, in API 1.0: each has the stated resources.

    Multi-node jobs have their nodes exclusively. The other jobs share the remaining nodes, as if
    these were one large node.
    """

    def __init__(self, resources: bodies.NodeResources) -> None:
        self._each = ResourceAmounts.of(resources)
        self._free = max(resources.num_nodes, 1)
        self._used = [0, 0, 0]  # memory, CPUs and GPUs of the jobs that share nodes

    @property
    def remaining(self) -> ResourceAmounts:
        """The most that a job may require to fit into the remaining resources."""
        memory_bytes, cpus, gpus = (
            min(each, self._free * each - used)
            for each, used in zip(self._each[:3], self._used, strict=True)
        )
        return ResourceAmounts(memory_bytes, cpus, gpus, self._free)

    def select(self, jobs: Sequence[Row]) -> list[int]:
        """The ids of the jobs that fit, in their order."""
        return [job["id"] for job in jobs if self._take(job)]

    def _take(self, job: Row) -> bool:
        used, free = self._used, self._free
        if job["num_nodes"] > 1:
            free -= job["num_nodes"]
        else:
            needs = (job["memory_bytes"], job["num_cpus"], job["num_gpus"])
            used = [have + need for have, need in zip(used, needs, strict=True)]
        fits = free >= 0 and all(map(le, used, (free * each for each in self._each)))
        if fits:
            self._used, self._free = used, free
        return fits
