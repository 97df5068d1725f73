"""From which nodes the allocations of a submitted workflow keep away."""

from contextlib import suppress
from dataclasses import dataclass

from torc_watch.config.settings import Settings
from torc_watch.core.allocation import NodeClass
from torc_watch.core.errors import SchedulerError
from torc_watch.core.node_blame import avoided_nodes, excluded_nodes
from torc_watch.core.node_classes import fitting_classes
from torc_watch.daemon.node_history import bad_nodes
from torc_watch.planner.cluster_plan import AllocationGroup
from torc_watch.schedulers.base import Scheduler


@dataclass(frozen=True, slots=True)
class BadNodes:
    """Their short names, the worst first; ``node_classes`` are all that there are."""

    names: tuple[str, ...] = ()
    node_classes: tuple[NodeClass, ...] = ()

    def excluded(self, group: AllocationGroup) -> tuple[str, ...]:
        """Those from which allocations of the group are to keep away."""
        shape = group.shape
        classes = fitting_classes(
            [each for each in self.node_classes if each.partition == group.partition],
            num_cpus=shape.num_cpus,
            num_gpus=shape.num_gpus,
            memory=shape.memory,
            runtime=shape.runtime or 0,
        )
        return excluded_nodes(self.names, classes, needed=shape.num_nodes)


async def find_bad_nodes(settings: Settings, scheduler: Scheduler) -> BadNodes:
    """None where the user wants to use them all, or where that cannot be known."""
    scores = bad_nodes(settings.home) if settings.exclude_nodes else ()
    if scores:
        with suppress(SchedulerError):
            names = avoided_nodes(scores, (), cluster=await scheduler.cluster_name())
            return BadNodes(names, await scheduler.node_classes())
    return BadNodes()
