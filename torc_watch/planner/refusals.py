"""Why nothing fits the jobs of a kind: the limit by its name, and the best that there is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from torc_watch.core.units import duration_text, rounded_memory
from torc_watch.planner.candidates import Candidate, Candidates, find_candidates
from torc_watch.planner.capacity import Capacity, nodes_for
from torc_watch.planner.choice import Site
from torc_watch.planner.cluster_description import ClusterDescription, NodeKind, Partition
from torc_watch.planner.limits import Bound
from torc_watch.planner.unknown_names import unknown_name
from torc_watch.planner.workload import JobKind

_Offer = tuple[Candidate, Capacity]


@dataclass(frozen=True, slots=True)
class _Check:
    """What an offer has of something, and what it needs of it. ``best`` begins a clause."""

    has: Callable[[_Offer], Bound]
    needs: Callable[[_Offer], int]
    text: Callable[[int], str]
    best: str


class Refusals:
    """Sentences for kinds that do not fit ``site``, which has the candidates ``found``."""

    def __init__(self, cluster: ClusterDescription, found: Candidates, site: Site) -> None:
        self._cluster = cluster
        self._found = found
        self._site = site
        self._unknown = unknown_name(cluster, site.options)
        anywhere = replace(site.options, partition="")
        elsewhere = find_candidates(cluster, anywhere).usable if site.options.partition else ()
        self._elsewhere = site.with_candidates(elsewhere)

    def reason(self, kind: JobKind) -> str:
        """It names the first amount of which no candidate has enough, and where there is more."""
        if self._unknown:
            why = self._unknown
        elif not self._found.usable:
            why = f"{_job(kind)} has no partition: {self._nowhere()}"
        else:
            why = self._lack(kind)
        return f"{why}{self._hint(kind)}."

    def _lack(self, kind: JobKind) -> str:
        offers = [(each, self._site.capacity(each, kind)) for each in self._found.usable]
        for check in _checks(kind, self._site.gpu_type(kind)):
            enough = [each for each in offers if check.has(each).value >= check.needs(each)]
            if not enough:
                return f"{_job(kind)} needs {_shortage(check, offers)}"
            offers = enough
        return self._lack_of_time(kind, offers)

    def _lack_of_time(self, kind: JobKind, offers: Sequence[_Offer]) -> str:
        asked = self._site.options.runtime
        if asked and asked < kind.runtime:
            limit = f"the walltime that you ask for is {duration_text(asked)}"
            return f"{_job(kind)} needs {duration_text(kind.runtime)} of run time; {limit}"
        most = max((has.runtime for _, has in offers if has.runtime), key=lambda each: each.value)
        wanted = f"{duration_text(kind.runtime)} of run time"
        if most.value >= kind.runtime:
            wanted = f"an allocation of {duration_text(asked or kind.runtime)}, as you ask for"
        longest = f"the longest that you may use is {duration_text(most.value)} ({most.source})"
        return f"{_job(kind)} needs {wanted}; {longest}"

    def _nowhere(self) -> str:
        """Why there is no candidate at all."""
        reasons = (f"{name} {why}" for name, why in self._found.reasons.items())
        return "; ".join(reasons) or "the cluster has none"

    def _hint(self, kind: JobKind) -> str:
        """The partitions that do fit, or would if the user could have them."""
        asked = self._site.options.runtime
        if asked and asked < kind.runtime:  # then no partition is the reason
            return ""
        fitting = {each.candidate.partition.name: None for each in self._elsewhere.fitting(kind)}
        if fitting:
            return f"; the job fits {', '.join(fitting)}"
        if not self._found.usable or self._unknown:
            return ""
        closed = (
            f"; {name}, which would fit, {why}"
            for name, why in self._found.reasons.items()
            if (partition := self._cluster.partition(name)) and _would_fit(partition, kind)
        )
        return next(closed, "")


def _shortage(check: _Check, offers: Sequence[_Offer]) -> str:
    most = max((check.has(each) for each in offers), key=lambda each: each.value)
    request = check.text(min(check.needs(each) for each in offers))
    if not most.value:
        return f"{request}, and no node that you may use has any"
    return f"{request}; {check.best} {check.text(most.value)} ({most.source})"


def _checks(kind: JobKind, gpu_type: str) -> Iterator[_Check]:
    largest = f"the largest node{' with such GPUs' if kind.num_gpus else ''} that you may use has"
    if kind.num_gpus:
        yield _Check(
            lambda offer: offer[1].num_gpus,
            lambda _: kind.num_gpus,
            lambda number: _counted(number, f"{gpu_type} GPUs".strip()),
            "the node with the most of them that you may use has",
        )
    yield _Check(
        lambda offer: offer[1].num_nodes,
        lambda offer: nodes_for(offer[0], kind),
        lambda number: _counted(number, "nodes"),
        "the largest allocation that you may have has",
    )
    yield _Check(
        lambda offer: offer[1].num_cpus,
        lambda _: kind.num_cpus,
        lambda number: _counted(number, "CPUs"),
        largest,
    )
    yield _Check(lambda offer: offer[1].memory, lambda _: kind.memory, rounded_memory, largest)


def _would_fit(partition: Partition, kind: JobKind) -> bool:
    has_time = partition.max_runtime is None or kind.runtime <= partition.max_runtime
    return has_time and any(_has_room(node, kind) for node in partition.kinds)


def _has_room(node: NodeKind, kind: JobKind) -> bool:
    num_gpus = node.gpus.get(kind.gpu_type, 0) if kind.gpu_type else node.num_gpus
    return (
        kind.num_cpus <= node.num_cpus
        and kind.memory <= node.memory
        and kind.num_gpus <= num_gpus
        and kind.num_nodes <= node.count
    )


def _job(kind: JobKind) -> str:
    return f"Job {kind.example}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what.removesuffix('s') if number == 1 else what}"
