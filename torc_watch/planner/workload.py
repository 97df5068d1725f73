"""The jobs of a workflow that want allocations. Memory is in bytes, durations are in seconds."""

from dataclasses import dataclass
from enum import StrEnum


class ExecutionMode(StrEnum):
    """Who starts the jobs in an allocation: Torc's runner itself, or Slurm, each as a step."""

    DIRECT = "direct"
    SLURM = "slurm"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """Jobs that are alike: one row of requirements, one set of labels, one place in the graph.

    ``example`` names one of them, for people: ``107 (train_model_7)``, or its name alone where the
    workflow is not created yet. ``after`` are the indexes, in the workload, of the kinds that have
    to be done before. ``in_a_row`` is the length of the longest chain of jobs of this kind.
    """

    name: str
    example: str
    jobs: int
    num_cpus: int
    memory: int
    num_gpus: int = 0
    num_nodes: int = 1
    runtime: int = 60
    labels: frozenset[str] = frozenset()
    after: frozenset[int] = frozenset()
    in_a_row: int = 1
    gpu_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    kinds: tuple[JobKind, ...]
    mode: ExecutionMode = ExecutionMode.DIRECT
