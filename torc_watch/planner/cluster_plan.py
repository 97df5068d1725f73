"""What a plan is: groups of jobs with their allocations, and the jobs that nothing fits."""

from dataclasses import dataclass

from torc_watch.core.allocation import AllocationShape


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the user says; "" and None leave the choice to the planner."""

    account: str = ""
    partition: str = ""
    qos: str = ""
    runtime: int | None = None  # seconds of walltime for each allocation
    max_allocations: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationGroup:
    """Allocations of one shape, for kinds of jobs that share them.

    ``kinds`` are indexes of the workload. ``jobs_at_once`` is how many of their jobs run in one
    allocation side by side, ``waves`` how many times one after the other. ``begins_with_jobs`` says
    that nothing has to be done before them, so that they are submitted at once. ``is_exclusive``
    asks for whole nodes. ``is_serialized`` asks for one allocation after the other, for a chain
    that is longer than each of them.
    """

    name: str
    kinds: tuple[int, ...]
    account: str
    partition: str
    qos: str
    shape: AllocationShape
    number: int
    jobs: int
    jobs_at_once: int
    waves: int
    gpu_type: str = ""
    is_exclusive: bool = False
    begins_with_jobs: bool = True
    is_serialized: bool = False

    @property
    def node_hours(self) -> float:
        """At most: each allocation ends when it has nothing to do."""
        return self.number * self.shape.num_nodes * (self.shape.runtime or 0) / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFit:
    """A kind of jobs that no allocation fits, and why, with the limit by its name. A sentence."""

    kind: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """``notes`` are sentences for people: what was bounded, and by which limit."""

    groups: tuple[AllocationGroup, ...]
    no_fit: tuple[NoFit, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def node_hours(self) -> float:
        return sum(group.node_hours for group in self.groups)

    @property
    def allocations(self) -> int:
        return sum(group.number for group in self.groups)
