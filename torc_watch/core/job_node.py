"""On which node a job ran."""

from collections.abc import Mapping
from dataclasses import dataclass

from torc_watch.core.allocation import StepEnd
from torc_watch.core.model import ComputeNode


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNode:
    """``name`` is the scheduler's for the node, ``host`` its own; each None if it is not known.

    Neither is known of a job on several nodes.
    """

    name: str | None = None
    host: str | None = None

    @property
    def shown(self) -> str | None:
        return self.name or self.host


def node_of_job(
    worker: ComputeNode | None,
    *,
    step: StepEnd | None = None,
    steps: Mapping[str, StepEnd] | None = None,
    is_spread: bool = False,
) -> JobNode:
    """``step`` is the job's own, ``steps`` are all of its allocation.

    Where ``is_spread``, the worker may have started it on another node than its own.
    """
    if step is not None and len(step.nodes) > 1:
        return JobNode()
    is_elsewhere = worker is None or (is_spread and worker.num_nodes > 1)
    host = None if worker is None or is_elsewhere else worker.hostname
    if step is not None and step.nodes:
        return JobNode(name=step.nodes[0], host=host)
    names = {name for each in (steps or {}).values() for name in each.nodes}
    if len(names) == 1:
        return JobNode(name=names.pop(), host=host)
    aliases = (host, host.partition(".")[0]) if host else ()
    return JobNode(name=next((name for name in names if name in aliases), None), host=host)
