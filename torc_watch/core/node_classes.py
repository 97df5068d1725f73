"""Which nodes an allocation may get, and the largest requests that they allow."""

import math
from collections import Counter
from collections.abc import Sequence

from torc_watch.core import units
from torc_watch.core.allocation import NodeClass
from torc_watch.core.model import Requirements, SchedulerConfig


def usable_classes(
    node_classes: Sequence[NodeClass], config: SchedulerConfig | None
) -> tuple[NodeClass, ...]:
    """Those of the partitions that the row names, else of the default one; perhaps none."""
    names = config.partitions if config else ()
    return tuple(
        node for node in node_classes if (node.partition in names if names else node.is_default)
    )


def fitting_classes(
    node_classes: Sequence[NodeClass],
    *,
    num_cpus: int,
    num_gpus: int,
    memory: int = 0,
    runtime: int = 0,
) -> Sequence[NodeClass]:
    """The classes that can give as much; all of them if none can."""
    fitting = [
        node
        for node in node_classes
        if node.num_cpus >= num_cpus
        and node.num_gpus >= num_gpus
        and node.memory >= memory
        and (node.runtime is None or node.runtime >= runtime)
    ]
    return fitting or node_classes


def lack_reason(requirements: Requirements | None, node_classes: Sequence[NodeClass]) -> str:
    """What a job asks for that no node has, where there are nodes; empty if it can run on one.

    CPUs are no reason: a job that asks for more of them shares those that there are.
    """
    asked = requirements
    if asked is None:
        return ""
    if asked.num_nodes > 1 and (reason := _lack_of_nodes(asked.num_nodes, node_classes)):
        return reason
    if any(_has_room(node, asked) for node in node_classes):
        return ""
    longest = max(node_classes, key=_longest)
    if asked.runtime and _longest(longest) < asked.runtime:
        limit = units.format_duration(longest.runtime or 0)
        request = units.format_duration(asked.runtime)
        return f"it requests {request} of run time, and {node_text(longest)} gives at most {limit}"
    largest = max(node_classes, key=lambda node: node.memory)
    if asked.memory and largest.memory < asked.memory:
        limit, request = units.format_memory(largest.memory), units.format_memory(asked.memory)
        return f"it requests {request} of memory, and {node_text(largest)} has at most {limit}"
    return "no node has the memory, the GPUs and the run time together that it requests"


def _lack_of_nodes(number: int, node_classes: Sequence[NodeClass]) -> str:
    counts = Counter[str]()
    for node in node_classes:
        counts[node.partition] += node.count
    partition, most = counts.most_common(1)[0]
    if number <= most:
        return ""
    where = f"partition {partition} has" if partition else "there are"
    return f"it requests {number} nodes, and {where} {most} in service"


def node_text(node: NodeClass) -> str:
    return f"a node of partition {node.partition}" if node.partition else "a node"


def _has_room(node: NodeClass, asked: Requirements) -> bool:
    has_time = _longest(node) >= (asked.runtime or 0)
    return has_time and node.memory >= (asked.memory or 0) and node.num_gpus >= asked.num_gpus


def _longest(node: NodeClass) -> float:
    return math.inf if node.runtime is None else node.runtime


def class_with_most_memory(
    requirements: Requirements, node_classes: Sequence[NodeClass]
) -> NodeClass:
    """Of those that have all else that the job asks for; of all if none has."""
    fitting = fitting_classes(
        node_classes,
        num_cpus=requirements.num_cpus,
        num_gpus=requirements.num_gpus,
        runtime=requirements.runtime or 0,
    )
    return max(fitting, key=lambda node: node.memory)


def class_with_longest_runtime(
    requirements: Requirements, node_classes: Sequence[NodeClass]
) -> NodeClass:
    """Of those that have all else that the job asks for; of all if none has."""
    fitting = fitting_classes(
        node_classes,
        num_cpus=requirements.num_cpus,
        num_gpus=requirements.num_gpus,
        memory=requirements.memory or 0,
    )
    return max(fitting, key=_longest)
