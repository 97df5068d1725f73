"""Jobs that share allocations, and what they share."""

from dataclasses import dataclass

from torc_watch.planner.allocation_time import whole_minutes
from torc_watch.planner.capacity import cpus_with_memory, nodes_for
from torc_watch.planner.choice import Choice
from torc_watch.planner.workload import JobKind


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBatch:
    """Jobs that share allocations, all taken for as large as the largest of each amount.

    ``total_*`` are the sums over all jobs. ``runtime`` is in whole minutes, in seconds.
    """

    jobs: int
    num_cpus: int
    memory: int
    num_gpus: int
    num_nodes: int
    runtime: int
    in_a_row: int
    total_cpus: int
    total_memory: int
    total_gpus: int

    def __add__(self, other: "JobBatch") -> "JobBatch":
        return JobBatch(
            jobs=self.jobs + other.jobs,
            num_cpus=max(self.num_cpus, other.num_cpus),
            memory=max(self.memory, other.memory),
            num_gpus=max(self.num_gpus, other.num_gpus),
            num_nodes=max(self.num_nodes, other.num_nodes),
            runtime=max(self.runtime, other.runtime),
            in_a_row=max(self.in_a_row, other.in_a_row),
            total_cpus=self.total_cpus + other.total_cpus,
            total_memory=self.total_memory + other.total_memory,
            total_gpus=self.total_gpus + other.total_gpus,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """Allocations for a batch. ``bounded_by`` names the limit that left no room for more."""

    number: int
    jobs_at_once: int
    waves: int
    runtime: int
    num_nodes: int
    is_serialized: bool = False
    bounded_by: str = ""

    @property
    def node_seconds(self) -> int:
        return self.number * self.num_nodes * self.runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for every batch at one choice. ``runtime`` is the walltime asked for, if any.

    ``job_nodes`` is on how many nodes each job runs.
    """

    choice: Choice
    margin: int
    job_nodes: int
    spreads_jobs: bool
    runtime: int | None = None


def batch_of(kind: JobKind, choice: Choice) -> JobBatch:
    num_cpus = cpus_with_memory(choice.candidate, kind.num_cpus, kind.memory)
    return JobBatch(
        jobs=kind.jobs,
        num_cpus=num_cpus,
        memory=kind.memory,
        num_gpus=kind.num_gpus,
        num_nodes=nodes_for(choice.candidate, kind),
        runtime=whole_minutes(kind.runtime),
        in_a_row=max(1, min(kind.in_a_row, kind.jobs)),
        total_cpus=num_cpus * kind.jobs,
        total_memory=kind.memory * kind.jobs,
        total_gpus=kind.num_gpus * kind.jobs,
    )
