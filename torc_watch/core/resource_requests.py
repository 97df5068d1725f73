"""How much to request: resources of jobs that failed, and allocations that run them.

A request is never lowered, and never raised above what a node has. A measured peak is a lower bound
of what a job needs: sampling misses spikes, and a killed job never showed how far it would have
gone.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torc_watch.core import units
from torc_watch.core.allocation import AllocationShape, AllocationSpec, NodeClass
from torc_watch.core.allocation_tokens import MAX_ALLOCATIONS, allocation_token
from torc_watch.core.model import Requirements, SchedulerConfig
from torc_watch.core.recovery_round import Adjustment, Retry
from torc_watch.core.units import MIB

_NAME_OF_A_RAISED_ROW = re.compile(r"\.run\d+\.\w+\.\w+")
_Target = tuple[str, int, int, tuple[int, int, int]]  # name, memory, runtime; CPUs, GPUs, nodes


def raised_memory(
    limit: int, *, peak: int | None, multiplier: float, cap: int | None
) -> int | None:
    """Bytes to ask for after an out-of-memory failure, in whole MiB unless the cap is not.

    None when no node has more than the job was already seen to need.
    """
    need = limit if peak is None or peak <= limit else _on_grid(peak)
    if cap is not None and cap <= max(limit, peak or 0):
        return None
    wanted = math.ceil(need * multiplier / MIB) * MIB
    return wanted if cap is None else min(wanted, cap)


def raised_runtime(
    limit: int, *, ran: float | None, multiplier: float, cap: int | None
) -> int | None:
    """Seconds to ask for after a time limit was hit; None when the limit is at the cap already.

    Where the limit of a job is not enforced, it ran longer, until its worker's time was over.
    """
    if cap is not None and cap <= limit:
        return None
    wanted = max(limit + 1, math.ceil(limit * multiplier))
    if ran is not None and wanted <= ran:
        wanted = math.ceil(_on_grid(math.ceil(ran)) * multiplier)
    return wanted if cap is None else min(wanted, cap)


def _on_grid(seen: int) -> int:
    """``seen`` rounded up by at most 1/32, so that jobs that failed alike ask for the same.

    Jobs that ask for the same share one row of resource requirements.
    """
    step = 1 << max(0, seen.bit_length() - 6)
    return -(-seen // step) * step


def adjustments_for(
    retries: Iterable[Retry], asked: Mapping[int, Requirements | None], next_run: int
) -> tuple[Adjustment, ...]:
    """One new row for each distinct target, named so that a repeated round finds it again.

    ``asked`` is the row that each job, by its id, had until now. Rows raised from one root in
    different rounds may have the same target, and then share its row.
    """
    groups: dict[_Target, tuple[Requirements, list[int]]] = {}
    for retry in retries:
        base = asked[retry.job_id]
        if base is None or base.memory is None or base.runtime is None:
            continue
        memory = retry.memory[1] if retry.memory else base.memory
        runtime = retry.runtime[1] if retry.runtime else base.runtime
        if (memory, runtime) != (base.memory, base.runtime):
            name = _row_name(base, next_run, memory, runtime)
            target = (name, memory, runtime, (base.num_cpus, base.num_gpus, base.num_nodes))
            groups.setdefault(target, (base, []))[1].append(retry.job_id)
    return tuple(
        Adjustment(name=name, base=base, memory=memory, runtime=runtime, job_ids=tuple(job_ids))
        for (name, memory, runtime, _), (base, job_ids) in groups.items()
    )


def _row_name(base: Requirements, run_id: int, memory: int, runtime: int) -> str:
    root = _NAME_OF_A_RAISED_ROW.sub("", base.name)
    return f"{root}.run{run_id}.{units.format_memory(memory)}.{units.format_duration(runtime)}"


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
    number = max(1, min(wanted, _allocations_at_once(shape, node), MAX_ALLOCATIONS))
    return tuple(
        AllocationSpec(
            token=allocation_token(allocation_stem, place),
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
