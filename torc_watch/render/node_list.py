"""The nodes that fail jobs: their scores and incidents, as text and as values for scripts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from torc_watch.core.node_incident import NodeIncident, NodeScore
from torc_watch.render.cause_text import cause_text
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import local_time

_NONE = "No node has failed jobs lately."
_OFF = "exclude_nodes is off: new allocations use them all."
_MOST_LINES = 5  # of one node


def node_list_text(scores: Sequence[NodeScore], *, excludes: bool) -> Iterator[str]:
    if not scores:
        yield _NONE
        return
    has_several = len({each.cluster for each in scores}) > 1
    for score in scores:
        where = f" of {printable(score.cluster)}" if has_several else ""
        excluded = ", excluded" if score.is_bad and excludes else ""
        yield f"{printable(score.node)}{where}: score {score.score:.2f}{excluded}"
        yield from map(_incident, score.incidents[:_MOST_LINES])
        if (more := len(score.incidents) - _MOST_LINES) > 0:
            yield f"  and {more} more"
    if not excludes:
        yield _OFF


def _incident(each: NodeIncident) -> str:
    job = f"job {each.job_id} ({printable(each.job_name)}) of workflow {each.workflow_id}"
    return f"  {local_time(each.at.isoformat())}  {cause_text(each.cause)}: {job}"


def node_list_values(scores: Iterable[NodeScore], *, excludes: bool) -> list[dict[str, Any]]:
    return [
        {
            **_values(score),
            "excluded": score.is_bad and excludes,
            "incidents": [_incident_values(each) for each in score.incidents],
        }
        for score in scores
    ]


def _incident_values(each: NodeIncident) -> dict[str, Any]:
    names = ("cause", "server", "workflow_id", "run_id", "job_id", "job_name")
    values = asdict(each)
    return {"at": each.at.isoformat()} | {name: values[name] for name in names}


def excluded_text(scores: Sequence[NodeScore]) -> Iterator[str]:
    """One line, if any is excluded."""
    if scores:
        yield f"New allocations keep away from {', '.join(map(node_phrase, scores))}."


def excluded_values(scores: Iterable[NodeScore]) -> list[dict[str, Any]]:
    return list(map(_values, scores))


def _values(score: NodeScore) -> dict[str, Any]:
    return {"node": score.node, "cluster": score.cluster, "score": round(score.score, 3)}


def node_phrase(score: NodeScore) -> str:
    """``n07 (score 2.3: GPU failed 2 times, its node failed once)``."""
    counts = Counter(cause_text(each.cause) for each in score.incidents)
    causes = (f"{text} {_times(number)}" for text, number in counts.most_common())
    return f"{printable(score.node)} (score {score.score:.1f}: {', '.join(causes)})"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
