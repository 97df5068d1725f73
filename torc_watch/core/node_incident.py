"""Failures of jobs for which a node may be to blame, and the score of the node that they make."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp2
from operator import attrgetter

from torc_watch.core.cause import Cause

HALF_LIFE = timedelta(hours=12)
# One failed node stays above it for five hours; trouble with a file system has to repeat itself.
THRESHOLD = 0.75
_FORGOTTEN = timedelta(days=7)
_ONE_INCIDENT = timedelta(seconds=60)
WEIGHTS = {Cause.NODE: 1.0, Cause.GPU: 1.0, Cause.FILE_SYSTEM: 0.5}
_OF_FAST_FAILURES = 0.5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIncident:
    """A failed job, and the node that may be to blame. ``at`` is aware.

    ``cluster`` is Slurm's name of it, ``node`` is a short name. Without ``counts`` it is a fast
    failure of a job that has not succeeded on another node so far, and adds nothing to the score.
    """

    cluster: str
    node: str
    cause: Cause
    at: datetime
    server: str
    workflow_id: int
    run_id: int
    job_id: int
    job_name: str
    counts: bool = True

    @property
    def weight(self) -> float:
        return WEIGHTS.get(self.cause, _OF_FAST_FAILURES) if self.counts else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeScore:
    """``incidents`` are those of the node that count, the newest first."""

    cluster: str
    node: str
    score: float
    incidents: tuple[NodeIncident, ...]

    @property
    def is_bad(self) -> bool:
        """Whether new allocations keep away from it, as far as enough other nodes are left."""
        return self.score >= THRESHOLD


def is_node_name(text: str) -> bool:
    """Whether it may be the name of one node: no list, no option, no path."""
    return _NAME.fullmatch(text) is not None


def short_name(name: str) -> str:
    """Without a domain, which the name of a host may have where the scheduler's has none."""
    return name.partition(".")[0].lower()


def incident_score(incidents: Iterable[NodeIncident], now: datetime) -> float:
    """The sum of the weights of a node's incidents, each halved for every HALF_LIFE since then.

    Of those within a minute one counts, because the crash of a node fails all of its jobs: the ones
    with the largest sum, so that another incident never lowers it.
    """
    ordered = sorted(incidents, key=attrgetter("at"))
    times = [each.at for each in ordered]
    sums = [0.0]  # the largest of the first incidents, by how many these are
    for each in ordered:
        earlier = sums[bisect_left(times, each.at - _ONE_INCIDENT)]
        sums.append(max(sums[-1], earlier + _value(each, now)))
    return sums[-1]


def _value(incident: NodeIncident, now: datetime) -> float:
    age = max(now - incident.at, timedelta())  # the clock of the node may be ahead
    return incident.weight * exp2(-age / HALF_LIFE)


def node_scores(incidents: Iterable[NodeIncident], now: datetime) -> tuple[NodeScore, ...]:
    """Those of all nodes with incidents of the last week that count, the worst first."""
    groups: dict[tuple[str, str], list[NodeIncident]] = defaultdict(list)
    for each in incidents:
        if each.counts and now - each.at < _FORGOTTEN:
            groups[each.cluster, each.node].append(each)
    found = (
        NodeScore(
            cluster=cluster,
            node=node,
            score=incident_score(group, now),
            incidents=tuple(sorted(group, key=lambda each: (each.at, each.job_id), reverse=True)),
        )
        for (cluster, node), group in groups.items()
    )
    return tuple(sorted(found, key=lambda each: (-each.score, each.cluster, each.node)))
