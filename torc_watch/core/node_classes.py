"""Which nodes an allocation may get, and the largest requests that they allow."""

from collections.abc import Sequence

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
    return max(fitting, key=lambda node: float("inf") if node.runtime is None else node.runtime)
