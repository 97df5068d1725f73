"""Jobs that fit together into a worker's resources, by each API version's rules for nodes."""

from collections.abc import Sequence
from operator import le
from typing import NamedTuple

from torc_watch.core.units import GIB
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.store import Row

UNLIMITED = 2**62


class Needs(NamedTuple):
    """What a job needs, or there is for it."""

    memory_bytes: int
    num_cpus: int
    num_gpus: int
    num_nodes: int

    @classmethod
    def of(cls, resources: bodies.NodeResources) -> "Needs":
        memory_bytes = int(min(resources.memory_gb * GIB, UNLIMITED))
        return cls(memory_bytes, resources.num_cpus, resources.num_gpus, resources.num_nodes)


def packed(jobs: Sequence[Row], resources: bodies.NodeResources) -> list[int]:
    """The ids of those that fit together, taken in order: a job too large for the rest is passed.

    Only jobs of several nodes use up nodes; the others share them.
    """
    left = Needs.of(resources)._asdict()
    chosen = []
    for job in jobs:
        need = {name: job[name] for name in left}
        if need["num_nodes"] <= 1:
            need["num_nodes"] = 0
        if all(need[name] <= left[name] for name in left):
            left = {name: left[name] - need[name] for name in left}
            chosen.append(job["id"])
    return chosen


class Nodes:
    """Nodes of API 1.0: each has all that was named, and jobs of several nodes have them alone.

    The others share the rest, as if that were one large node.
    """

    def __init__(self, resources: bodies.NodeResources) -> None:
        self._each = Needs.of(resources)
        self._free = max(resources.num_nodes, 1)
        self._used = [0, 0, 0]  # memory, CPUs and GPUs that jobs share

    @property
    def left(self) -> Needs:
        """What a job may need at most to fit into what is left."""
        memory_bytes, cpus, gpus = (
            min(each, self._free * each - used)
            for each, used in zip(self._each[:3], self._used, strict=True)
        )
        return Needs(memory_bytes, cpus, gpus, self._free)

    def pack(self, jobs: Sequence[Row]) -> list[int]:
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
