"""For which failures nodes may be to blame, and which nodes new allocations keep away from."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.findings import Finding
from torc_watch.core.node_incident import WEIGHTS, NodeIncident, NodeScore, is_node_name, short_name
from torc_watch.core.workflow_key import WorkflowKey

MOST_EXCLUDED = 8  # nodes
SHARE = 10  # at most one of so many
_FEWEST = 3  # nodes of which one may be excluded
_FAST = 60.0  # seconds: a job that fails so early has hardly begun
# What happens on more nodes in one round is the fault of the jobs, or of what these nodes share;
# but each node that failed has failed.
_MOST_TO_BLAME = 2
# Of a fast failure they are explained by the request, or by what ended the job from outside.
_BLAMELESS = frozenset(
    {
        Cause.OOM,
        Cause.GPU_OOM,
        Cause.TIMEOUT,
        Cause.REJECTED,
        Cause.LICENSE,
        Cause.CANCELED,
        Cause.SUSPECT,
    }
)


def incidents_of(
    findings: Iterable[Finding], key: WorkflowKey, *, cluster: str, now: datetime
) -> tuple[NodeIncident, ...]:
    """One for each node, cause and run, of the job that ended last.

    A node that fails every job would soon seem worse than all others together. ``now`` is for jobs
    of which it is not known when they ended.
    """
    chosen: dict[tuple[object, ...], NodeIncident] = {}
    blamed = _blamed(findings, lambda each: each.cause in WEIGHTS or _is_fast_failure(each))
    for finding in sorted(blamed, key=lambda each: each.job.id):
        incident = NodeIncident(
            cluster=cluster,
            node=short_name(finding.node or ""),
            cause=finding.cause,
            at=finding.ended or now,
            server=key.server,
            workflow_id=key.workflow_id,
            run_id=finding.run_id or 0,
            job_id=finding.job.id,
            job_name=finding.job.name,
            counts=finding.cause in WEIGHTS,
        )
        kind = (incident.node, incident.cause, incident.run_id)
        if kind not in chosen or chosen[kind].at < incident.at:
            chosen[kind] = incident
    return tuple(chosen.values())


def avoided_nodes(
    scores: Iterable[NodeScore], findings: Iterable[Finding], *, cluster: str
) -> tuple[str, ...]:
    """The bad ones of the cluster, the worst first, then those whose jobs are tried elsewhere."""
    bad = (each.node for each in scores if each.is_bad and each.cluster == cluster)
    blamed = _blamed(findings, _is_tried_elsewhere)
    of_this_round = sorted(short_name(each.node or "") for each in blamed)
    return tuple(dict.fromkeys((*bad, *of_this_round)))


def excluded_nodes(
    avoided: Sequence[str], node_classes: Iterable[NodeClass], *, needed: int
) -> tuple[str, ...]:
    """As many of the ``avoided`` as the classes that an allocation may get can spare, by name.

    The names are those that the scheduler has, which may have domains; those of ``avoided`` are
    short. ``needed`` nodes stay at least. None of classes whose nodes have no names.
    """
    names = frozenset[str]().union(*(each.names for each in node_classes))
    by_short = _by_short_name(names)
    known = [by_short[name] for name in avoided if name in by_short]
    return tuple(sorted(known[: most_excluded(len(names), needed=needed)]))


def _by_short_name(names: Iterable[str]) -> dict[str, str]:
    """Without those that several nodes would have."""
    found: dict[str, str] = {}
    several: set[str] = set()
    for name in names:
        short = short_name(name)
        if found.setdefault(short, name) != name:
            several.add(short)
    return {short: name for short, name in found.items() if short not in several}


def most_excluded(nodes: int, *, needed: int) -> int:
    """How many of so many nodes may be excluded."""
    share = max(nodes // SHARE, int(nodes >= _FEWEST))
    return max(0, min(MOST_EXCLUDED, share, nodes - needed))


def _blamed(findings: Iterable[Finding], is_meant: Callable[[Finding], bool]) -> list[Finding]:
    meant = [each for each in findings if is_node_name(each.node or "") and is_meant(each)]
    nodes: dict[Cause, set[str]] = defaultdict(set)
    for each in meant:
        nodes[each.cause].add(short_name(each.node or ""))
    return [
        each
        for each in meant
        if each.cause is Cause.NODE or len(nodes[each.cause]) <= _MOST_TO_BLAME
    ]


def _is_fast_failure(finding: Finding) -> bool:
    """Whether it would be the node's if the job succeeded elsewhere."""
    is_own = not finding.cause.is_interruption and finding.cause not in _BLAMELESS
    return is_own and finding.ran is not None and finding.ran < _FAST


def _is_tried_elsewhere(finding: Finding) -> bool:
    return finding.cause in WEIGHTS or finding.remedy is Remedy.RETRY_ONCE
