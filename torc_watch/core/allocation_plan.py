"""How many allocations to submit for the jobs that will want to run, and how large ones."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torc_watch.core.allocation import AllocationShape, AllocationSpec, NodeClass
from torc_watch.core.allocation_tokens import MAX_ALLOCATIONS, allocation_token
from torc_watch.core.demand import Demand
from torc_watch.core.model import SchedulerConfig
from torc_watch.core.node_blame import excluded_nodes
from torc_watch.core.node_classes import fitting_classes
from torc_watch.core.scheduler_rows import SchedulerRows, names_nodes

# Seconds that an allocation needs beyond its longest job. Torc's runner begins to stop jobs 90 s
# before the end where it starts them itself, and 120 s before it where Slurm wakes it with
# ``--signal=B:TERM@60``, which may come a minute early. The last minute is for the node and the
# runner to start, before which the time of the allocation runs already.
HEAD_ROOM = 180


def plan_groups(
    groups: Iterable[tuple[SchedulerConfig | None, Demand]],
    rows: SchedulerRows,
    *,
    most: int,
    allocation_stem: str,
    spreads_jobs: bool,
    avoided: Sequence[str] = (),
) -> tuple[AllocationSpec, ...]:
    """Allocations for the demand under each row that has nodes, ``most`` of them in all.

    They keep away from the nodes ``avoided``, of which the first are the worst. Those in other
    partitions come last: if the scheduler refuses them, the rest was submitted.
    """
    served = [(row, demand) for row, demand in groups if rows.nodes_for(row)]
    served.sort(key=lambda group: group[0] not in rows.own)
    for_each = min(most, MAX_ALLOCATIONS) // max(1, len(served))
    specs: list[AllocationSpec] = []
    for row, demand in served:
        first = len(specs) + 1
        specs += plan_allocations(
            demand,
            usual=row,
            node_classes=rows.nodes_for(row),
            places=range(first, first + max(1, for_each)),
            allocation_stem=allocation_stem,
            spreads_jobs=spreads_jobs,
            avoided=avoided,
        )
    return tuple(specs[:most])


def plan_allocations(
    demand: Demand,
    *,
    usual: SchedulerConfig | None,
    node_classes: Sequence[NodeClass],
    places: range,
    allocation_stem: str,
    spreads_jobs: bool,
    avoided: Sequence[str] = (),
) -> tuple[AllocationSpec, ...]:
    """Allocations of the workflow's usual shape, made larger where its largest job needs it.

    At least one, and no more than the nodes can carry side by side. ``places`` are those that their
    tokens may have. Without ``spreads_jobs`` there are no more nodes in each than a job needs.
    """
    node = _largest_node_for(demand, node_classes)
    if usual and not spreads_jobs:
        usual = replace(usual, num_nodes=1)
    shape = _shape(demand, usual, node)
    wanted = -(-demand.jobs // _jobs_at_once(demand, shape))
    number = max(1, min(wanted, _allocations_at_once(shape, node)))
    options = usual.options if usual else ()
    spared = excluded_nodes(
        () if names_nodes(options) else avoided,
        _classes_for(shape, node_classes),
        needed=shape.num_nodes,
    )
    return tuple(
        AllocationSpec(
            token=allocation_token(allocation_stem, place),
            num_cpus=shape.num_cpus,
            memory=shape.memory,
            num_gpus=shape.num_gpus,
            num_nodes=shape.num_nodes,
            runtime=shape.runtime,
            options=options,
            scheduler_config_id=usual.id if usual else None,
            excluded_nodes=spared,
        )
        for place in places[:number]
    )


def _largest_node_for(demand: Demand, node_classes: Sequence[NodeClass]) -> NodeClass:
    with_head_room = replace(demand, runtime=demand.runtime + HEAD_ROOM)
    fitting = _fitting(with_head_room, _fitting(demand, node_classes))
    return max(fitting, key=lambda node: (node.memory, node.num_cpus, node.count))


def _fitting(demand: Demand, node_classes: Sequence[NodeClass]) -> Sequence[NodeClass]:
    return fitting_classes(
        node_classes,
        num_cpus=demand.num_cpus,
        num_gpus=demand.num_gpus,
        memory=demand.memory,
        runtime=demand.runtime,
    )


def _classes_for(shape: AllocationShape, node_classes: Sequence[NodeClass]) -> Sequence[NodeClass]:
    return fitting_classes(
        node_classes,
        num_cpus=shape.num_cpus,
        num_gpus=shape.num_gpus,
        memory=shape.memory,
        runtime=shape.runtime or 0,
    )


def _shape(demand: Demand, usual: SchedulerConfig | None, node: NodeClass) -> AllocationShape:
    """CPUs alone may exceed those of the node: a job that asks for more of them shares them."""
    num_cpus = usual.num_cpus if usual else node.num_cpus
    if num_cpus is None:  # on a node that is shared, others may use what these jobs cannot
        num_cpus = min(node.num_cpus, demand.jobs * demand.num_cpus)
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
    wanted = max(runtime, demand.runtime + HEAD_ROOM if demand.runtime else 0)
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
