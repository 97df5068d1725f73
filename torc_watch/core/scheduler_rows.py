"""Under which row of a scheduler the allocation of each job is asked for."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from torc_watch.core.allocation import NodeClass
from torc_watch.core.model import SLURM, Job, Requirements, SchedulerConfig
from torc_watch.core.node_classes import lack_reason, usable_classes

_SHORT = {"account": "-A", "qos": "-q", "exclude": "-x", "nodelist": "-w", "nodefile": "-F"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerRows:
    """``main`` is the row of jobs that are tied to none; None where the workflow has no rows.

    It is the one that most jobs are tied to, or else the newest. ``tied`` are those, by id, that
    jobs may be tied to: Torc ties them to rows of Slurm only. With ``may_move``, a job that fits no
    node of its row's partitions goes to another one.
    """

    main: SchedulerConfig | None
    tied: Mapping[int, SchedulerConfig]
    node_classes: Sequence[NodeClass]
    may_move: bool = True

    @classmethod
    def of(
        cls,
        configs: Iterable[SchedulerConfig],
        jobs: Iterable[Job],
        nodes: Sequence[NodeClass],
        *,
        may_move: bool = True,
    ) -> Self:
        by_id = {config.id: config for config in configs}
        tied = {number: row for number, row in by_id.items() if row.scheduler_type == SLURM}
        ties = Counter(job.scheduler_config_id for job in jobs if job.scheduler_config_id in tied)
        main = max(by_id, key=lambda number: (ties[number], number), default=None)
        return cls(
            main=None if main is None else by_id[main],
            tied=tied,
            node_classes=nodes,
            may_move=may_move,
        )

    @property
    def own(self) -> tuple[SchedulerConfig | None, ...]:
        """The rows of the workflow, in whose partitions jobs are that do not move."""
        return (self.main, *self.tied.values())

    def row_for(self, job: Job, asked: Requirements | None) -> SchedulerConfig | None:
        """The job's row, in another partition if the job needs that for what it asks for."""
        row = self.row_of(job)
        nodes = self.nodes_for(row)
        if row is None or not nodes or not lack_reason(asked, nodes):
            return row
        others = [node for node in self.others_for(row) if not lack_reason(asked, (node,))]
        if not others:
            return row
        return overridden(row, partition=min(others, key=_order).partition, walltime=None)

    def row_of(self, job: Job) -> SchedulerConfig | None:
        """The row that the job is tied to, or else the main one."""
        return self.tied.get(job.scheduler_config_id or 0, self.main)

    def nodes_for(self, row: SchedulerConfig | None) -> tuple[NodeClass, ...]:
        """The nodes that allocations under this row may get; perhaps none."""
        return usable_classes(self.node_classes, row)

    def others_for(self, row: SchedulerConfig | None) -> tuple[NodeClass, ...]:
        """The nodes of further partitions that the row's account and QOS may use."""
        if row is None or not self.may_move:
            return ()
        account, qos = (option_value(row.options, name) for name in ("account", "qos"))
        own = self.nodes_for(row)
        return tuple(
            node
            for node in self.node_classes
            if node not in own and node.admission and node.admission.admits(account, qos)
        )


def option_value(options: Sequence[str], name: str) -> str:
    """The value of an option, as Slurm reads it: the last; empty where it is not there."""
    long, short = re.escape(f"--{name}"), _SHORT[name]
    found = re.findall(rf"(?:^|\s)(?:{long}(?:=|\s+)|{short}\s*)(\S+)", " ".join(options))
    return found[-1] if found else ""


def names_nodes(options: Sequence[str]) -> bool:
    """Whether the user has chosen the nodes."""
    return any(option_value(options, name) for name in ("nodelist", "nodefile"))


def _order(node: NodeClass) -> tuple[float, ...]:
    """Where a job moves to should have no more than it needs, and keep it."""
    longest = math.inf if node.runtime is None else node.runtime
    return node.is_preemptible, node.num_gpus, node.memory, longest, not node.is_default


def overridden(
    row: SchedulerConfig, *, partition: str | None, walltime: int | None
) -> SchedulerConfig:
    """The row with another partition and walltime (seconds), where they are given."""
    if walltime is not None:
        row = replace(row, runtime=walltime)
    if partition is None:
        return row
    # Of options that contradict each other sbatch heeds the last.
    options = (*row.options, f"--partition={partition}")
    return replace(row, partitions=(partition,), options=options)


def no_nodes_reason(row: SchedulerConfig | None) -> str:
    """Why there are no nodes for allocations under this row."""
    if row is None:
        return "there is no default partition"
    if not row.partitions:
        return f"its scheduler {row.name!r} names no partition, and there is no default one"
    return f"its scheduler {row.name!r} wants partition {','.join(row.partitions)}, which has none"
