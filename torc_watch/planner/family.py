"""Kinds of jobs that may share allocations."""

from collections.abc import Mapping
from dataclasses import dataclass

from torc_watch.planner.choice import Choice, Site
from torc_watch.planner.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """``kinds`` and ``after`` are indexes of the workload. ``job_nodes`` is of each job."""

    kinds: tuple[int, ...]
    after: frozenset[int]
    labels: frozenset[str]
    gpu_type: str
    job_nodes: int


def families(workload: Workload, site: Site, choices: Mapping[int, Choice]) -> list[Family]:
    """By choice, labels, predecessors, nodes of each job, and whether they want GPUs."""
    members: dict[tuple[object, ...], list[int]] = {}
    for index, choice in choices.items():
        kind = workload.kinds[index]
        key = (
            id(choice.candidate),
            choice.longest,
            choice.is_tight,
            kind.labels,
            kind.after,
            max(1, kind.num_nodes),
            kind.num_gpus > 0,
            site.gpu_type(kind),
        )
        members.setdefault(key, []).append(index)
    return [_family(workload, site, tuple(kinds)) for kinds in members.values()]


def _family(workload: Workload, site: Site, kinds: tuple[int, ...]) -> Family:
    kind = workload.kinds[kinds[0]]
    return Family(
        kinds=kinds,
        after=kind.after,
        labels=kind.labels,
        gpu_type=site.gpu_type(kind),
        job_nodes=max(1, kind.num_nodes),
    )
