"""On which node a job ran, by the name that its scheduler has for it."""

from collections.abc import Mapping

from torc_watch.core.allocation import StepEnd
from torc_watch.core.model import ComputeNode


def node_of_job(
    worker: ComputeNode | None,
    *,
    step: StepEnd | None = None,
    steps: Mapping[str, StepEnd] | None = None,
    is_spread: bool = False,
) -> str | None:
    """None for a job on several nodes, and where it is not known which one it was.

    ``step`` is the job's own, ``steps`` are all of its allocation. Where ``is_spread``, the worker
    may have started it on another node than its own.
    """
    if step is not None and step.nodes:
        return step.nodes[0] if len(step.nodes) == 1 else None
    names = {name for each in (steps or {}).values() for name in each.nodes}
    if len(names) == 1:
        return names.pop()
    if worker is None or (is_spread and worker.num_nodes > 1):
        return None
    short = worker.hostname.partition(".")[0]
    return next((name for name in names if name in (worker.hostname, short)), worker.hostname)
