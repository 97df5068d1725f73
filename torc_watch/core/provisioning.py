"""How many allocations to submit, and how large; what the nodes of a cluster can give."""

from collections.abc import Sequence
from dataclasses import dataclass

from torc_watch.core.allocation import AllocationShape, AllocationSpec, NodeClass
from torc_watch.core.model import Requirements, SchedulerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Jobs that will want to run, and the most that any of them asks for."""

    jobs: int
    num_cpus: int
    memory: int
    num_gpus: int = 0
    num_nodes: int = 1
    runtime: int = 0


def plan_allocations(
    demand: Demand,
    *,
    usual: SchedulerConfig | None,
    node_classes: Sequence[NodeClass],
    allocation_stem: str,
) -> tuple[AllocationSpec, ...]:
    """Allocations of the workflow's usual shape, made larger where its largest job needs it.

    At least one, and no more than the nodes can carry side by side.
    """
    node = _largest_node_for(demand, node_classes)
    shape = _shape(demand, usual, node)
    wanted = -(-demand.jobs // _jobs_at_once(demand, shape))
    number = max(1, min(wanted, _allocations_at_once(shape, node)))
    return tuple(
        AllocationSpec(
            token=f"{allocation_stem}.{place}",
            num_cpus=shape.num_cpus,
            memory=shape.memory,
            num_gpus=shape.num_gpus,
            num_nodes=shape.num_nodes,
            runtime=shape.runtime,
        )
        for place in range(1, number + 1)
    )


def most_memory(requirements: Requirements, node_classes: Sequence[NodeClass]) -> int:
    """Bytes of the largest node that has all else that the job asks for; of any if none has."""
    fitting = _fitting(
        node_classes,
        num_cpus=requirements.num_cpus,
        num_gpus=requirements.num_gpus,
        runtime=requirements.runtime or 0,
    )
    return max(node.memory for node in fitting)


def longest_runtime(requirements: Requirements, node_classes: Sequence[NodeClass]) -> int | None:
    """Seconds that a node allows which has all else that the job asks for; None: no limit."""
    fitting = _fitting(
        node_classes,
        num_cpus=requirements.num_cpus,
        num_gpus=requirements.num_gpus,
        memory=requirements.memory or 0,
    )
    limits = [node.runtime for node in fitting if node.runtime is not None]
    return max(limits) if len(limits) == len(fitting) else None


def _fitting(
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


def _largest_node_for(demand: Demand, node_classes: Sequence[NodeClass]) -> NodeClass:
    fitting = _fitting(
        node_classes,
        num_cpus=demand.num_cpus,
        num_gpus=demand.num_gpus,
        memory=demand.memory,
        runtime=demand.runtime,
    )
    return max(fitting, key=lambda node: (node.memory, node.num_cpus, node.count))


def _shape(demand: Demand, usual: SchedulerConfig | None, node: NodeClass) -> AllocationShape:
    """CPUs alone may exceed those of the node: a job that asks for more of them shares them."""
    num_cpus = usual.num_cpus if usual and usual.num_cpus else node.num_cpus
    memory = usual.memory if usual and usual.memory else node.memory
    return AllocationShape(
        num_cpus=max(num_cpus, demand.num_cpus),
        memory=min(max(memory, demand.memory), node.memory),
        num_gpus=min(max(usual.num_gpus if usual else 0, demand.num_gpus), node.num_gpus),
        num_nodes=min(max(usual.num_nodes if usual else 1, demand.num_nodes), node.count),
        runtime=_runtime(demand, usual, node),
    )


def _runtime(demand: Demand, usual: SchedulerConfig | None, node: NodeClass) -> int | None:
    runtime = usual.runtime if usual and usual.runtime else node.runtime
    if runtime is None:
        return None
    wanted = max(runtime, demand.runtime)
    return wanted if node.runtime is None else min(wanted, node.runtime)


def _jobs_at_once(demand: Demand, shape: AllocationShape) -> int:
    """How many jobs, all taken for as large as the largest, run in one allocation; at least one."""
    on_each = [shape.num_cpus // max(1, demand.num_cpus), shape.memory // max(1, demand.memory)]
    if demand.num_gpus and shape.num_gpus:
        on_each.append(shape.num_gpus // demand.num_gpus)
    groups_of_nodes = max(1, shape.num_nodes // max(1, demand.num_nodes))
    return max(1, groups_of_nodes * min(on_each))


def _allocations_at_once(shape: AllocationShape, node: NodeClass) -> int:
    """How many allocations of this shape all nodes of the class carry side by side."""
    on_each = [node.num_cpus // shape.num_cpus, node.memory // shape.memory]
    if shape.num_gpus:
        on_each.append(node.num_gpus // shape.num_gpus)
    return min(on_each) * node.count // shape.num_nodes
