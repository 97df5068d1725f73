"""A cluster as its scheduler describes it: what there is, who may use it, and within what limits.

Memory is in bytes, durations are in seconds. None is no limit, or one that is not known. Where
several limits apply (of the partition, of its QOS, of the job's QOS, of the association), each
holds; which of them is the strictest is for the planner to say, and to name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

UNKNOWN_COUNT = 2**31 - 1  # of nodes: as many as anybody asks for, where nothing says how many


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """Nodes of a partition that are alike, and what one of them has for jobs.

    ``gpus`` has the number of each type of GPU, "" for those without a type. ``count`` is how many
    can be used sooner or later, ``idle`` how many could be right now: nodes that are down, drained
    or failed count in neither. ``count`` is UNKNOWN_COUNT in a profile that does not say.
    ``names`` are those of the nodes that count, where they are known.
    """

    num_cpus: int
    memory: int
    gpus: Mapping[str, int] = field(default_factory=dict)
    features: frozenset[str] = frozenset()
    count: int = 1
    idle: int = 0
    names: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @property
    def num_gpus(self) -> int:
        return sum(self.gpus.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may use something, by name. ``allowed`` None is everybody who is not denied."""

    allowed: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()

    def admits(self, name: str) -> bool:
        return name not in self.denied and (self.allowed is None or name in self.allowed)


EVERYBODY = Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """``state`` is Slurm's word; only allocations in one that is UP ever start.

    ``is_exclusive`` says that an allocation gets whole nodes, whatever it asks for. Memory limits
    are the partition's, beside what its nodes have. ``is_on_request`` says that it is meant for
    those who name it (a debug partition): none is planned into it otherwise. Allocations in one
    that ``is_preemptible`` make way for those of others. ``charge`` is what an hour of one node
    costs, in the center's units.
    """

    name: str
    state: str = "UP"
    is_default: bool = False
    kinds: tuple[NodeKind, ...] = ()
    max_runtime: int | None = None
    default_runtime: int | None = None
    min_nodes: int = 1
    max_nodes: int | None = None
    max_nodes_per_user: int | None = None
    max_cpus_per_node: int | None = None
    max_memory_per_node: int | None = None
    max_memory_per_cpu: int | None = None
    default_memory_per_cpu: int | None = None
    is_exclusive: bool = False
    is_on_request: bool = False
    is_preemptible: bool = False
    qos: str = ""  # the partition's own, whose limits hold for every job in it
    accounts: Access = EVERYBODY
    groups: Access = EVERYBODY
    allowed_qos: Access = EVERYBODY
    charge: float = 1.0

    @property
    def is_up(self) -> bool:
        return self.state == "UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tres:
    """Amounts that a limit allows. None is no limit on that."""

    num_cpus: int | None = None
    memory: int | None = None
    num_nodes: int | None = None
    num_gpus: int | None = None


NO_LIMIT = Tres()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a QOS or an association.

    ``per_job`` and ``per_node`` bound one allocation, ``per_user`` and ``in_all`` what runs at once
    (more waits). ``max_submitted`` and ``max_running`` count allocations of one user.
    """

    max_runtime: int | None = None
    per_job: Tres = NO_LIMIT
    per_node: Tres = NO_LIMIT
    per_user: Tres = NO_LIMIT
    in_all: Tres = NO_LIMIT
    max_submitted: int | None = None
    max_running: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Qos:
    name: str
    limits: Limits = Limits()
    overrides_partition_runtime: bool = False  # flag PartitionTimeLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What the user may use under one account. ``partition`` "" is every partition."""

    account: str
    partition: str = ""
    qos: tuple[str, ...] = ()
    default_qos: str = ""
    is_default: bool = False
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Times at which nodes are kept from jobs of everybody else; aware, in UTC.

    ``nodes`` counts those of each partition that it keeps.
    """

    name: str
    begins: datetime
    ends: datetime
    is_maintenance: bool
    nodes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDescription:
    """All of it. ``qos`` and ``associations`` are None where there is no accounting to ask.

    ``source`` says where it is from, for people: "the cluster itself", "profile kestrel".
    """

    name: str
    source: str
    partitions: tuple[Partition, ...]
    groups: frozenset[str] = frozenset()  # of the user
    qos: Mapping[str, Qos] | None = None
    associations: tuple[Association, ...] | None = None
    reservations: tuple[Reservation, ...] = ()
    queued: int = 0  # the user's allocations that count against max_submitted

    def partition(self, name: str) -> Partition | None:
        return next((each for each in self.partitions if each.name == name), None)
