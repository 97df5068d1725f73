"""What is asked of a scheduler, and what it answers.

An allocation is one scheduler job that runs Torc workers: a Slurm job on a cluster, a process on a
machine without one. Memory is in bytes, durations are in seconds.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

LONGEST_RUNTIME = 365 * 24 * 3600  # seconds that Slurm is asked for where there is no limit


class AllocationState(StrEnum):
    ALIVE = "alive"  # queued or running: it may still take jobs
    GONE = "gone"  # surely ended; its running jobs will never report
    UNKNOWN = "unknown"  # the scheduler cannot tell, which is not the same as gone


class EndCause(StrEnum):
    """Why an allocation ended."""

    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    CANCELED = "canceled"
    FAILED = "failed"  # its worker ended with an error
    LOST = "lost"  # the scheduler knows it no longer, and nothing of its end


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationStatus:
    """What a scheduler knows of an allocation. GONE is final: it never becomes another state.

    The other fields are there where the scheduler knows them. ``cause`` and ``canceled_by``, a user
    of the cluster, are of one that is GONE. ``detail`` is a phrase for people; further lines, if
    any, are the last ones of a log that the phrase names. Of one that is UNKNOWN it says why; of
    one that is ALIVE, what it waits for, if that is not its turn alone; ``never_starts`` says that
    this will not come by itself.

    ``silent_nodes`` are nodes whose failure ended it, and on which its workers may still run: until
    they answer the scheduler again, it is UNKNOWN, with its ``cause``.

    ``began`` and ``ended`` are aware, in UTC, by the scheduler's clock. A requeued allocation has
    several lives: ``began`` is the start of the newest, so workers that started before it belong to
    an earlier life. It is None of one that waits to start, whose workers are all of earlier lives.
    """

    state: AllocationState
    cause: EndCause | None = None
    canceled_by: str | None = None
    detail: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    never_starts: bool = False
    silent_nodes: tuple[str, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether it ended neither in order nor because it was canceled."""
        return self.cause not in (None, EndCause.CANCELED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd:
    """How a job ended that its worker ran as a step of the allocation.

    ``cause`` is None of one that succeeded. ``return_code`` is the shell's: 128 and the number of a
    signal. Times are aware. The other fields are there where the scheduler knows them: ``id`` is
    its own name for the step, such as ``7.3``, ``canceled_by`` a user of the cluster, ``nodes`` are
    those that it ran on, ``detail`` is a phrase for people, such as ``step 7.3 FAILED 3:0``.
    """

    cause: EndCause | None
    return_code: int
    began: datetime | None = None
    ended: datetime | None = None
    id: str = ""
    canceled_by: str | None = None
    nodes: tuple[str, ...] = ()
    detail: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it ran."""
        if self.began is None or self.ended is None:
            return None
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationShape:
    """How large an allocation is. CPUs, memory and GPUs are of each of its nodes.

    ``runtime`` is None where it may run for as long as it has work.
    """

    num_cpus: int
    memory: int
    num_gpus: int = 0
    num_nodes: int = 1
    runtime: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationSpec(AllocationShape):
    """One allocation to submit. ``token`` (a-z, 0-9, ``-``) finds it again after a crash.

    ``options`` are in the scheduler's own words, as the workflow's allocations had them before:
    whatever the shape does not say. ``scheduler_config_id`` is the server's row that says how; None
    for that of the plan. It keeps away from the ``excluded_nodes``, as far as the scheduler then
    has nodes for it. The journal keeps these in plans: a field that is added has a default, so that
    plans of earlier versions can be read.
    """

    token: str
    options: tuple[str, ...] = ()
    scheduler_config_id: int | None = None
    excluded_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Under which accounts and QOS nodes may be used. None is all but the ``denied`` names."""

    accounts: frozenset[str] | None = None
    qos: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()

    def admits(self, account: str, qos: str) -> bool:
        return (
            self.denied.isdisjoint((account, qos))
            and (self.accounts is None or account in self.accounts)
            and (self.qos is None or qos in self.qos)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClass:
    """Nodes of one kind: what each of them has for jobs, and how many there are.

    ``runtime`` is the longest that an allocation may ask for there; None where there is no limit.
    Nodes that are in several partitions are a class of each. ``is_default`` says that allocations
    get there which ask for no partition. ``admission`` is None where nothing goes that does not
    name the partition. Allocations on nodes that are ``is_preemptible`` make way for others.
    ``names`` are those of the nodes that are in service, where these have any.
    """

    num_cpus: int
    memory: int
    num_gpus: int = 0
    runtime: int | None = None
    count: int = 1
    partition: str = ""
    is_default: bool = True
    admission: Admission | None = None
    is_preemptible: bool = False
    names: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
