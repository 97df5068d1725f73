"""Under which row of a scheduler the allocation of each job is asked for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from torc_watch.core.allocation import NodeClass
from torc_watch.core.model import SLURM, Job, SchedulerConfig
from torc_watch.core.node_classes import usable_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerRows:
    """``main`` is the row of jobs that are tied to none; None where the workflow has no rows.

    It is the one that most jobs are tied to, or else the newest. ``tied`` are those, by id, that
    jobs may be tied to: Torc ties them to rows of Slurm only.
    """

    main: SchedulerConfig | None
    tied: Mapping[int, SchedulerConfig]
    node_classes: Sequence[NodeClass]

    @classmethod
    def of(
        cls, configs: Iterable[SchedulerConfig], jobs: Iterable[Job], nodes: Sequence[NodeClass]
    ) -> Self:
        by_id = {config.id: config for config in configs}
        tied = {number: row for number, row in by_id.items() if row.scheduler_type == SLURM}
        ties = Counter(job.scheduler_config_id for job in jobs if job.scheduler_config_id in tied)
        main = max(by_id, key=lambda number: (ties[number], number), default=None)
        return cls(main=None if main is None else by_id[main], tied=tied, node_classes=nodes)

    def row_for(self, job: Job) -> SchedulerConfig | None:
        return self.tied.get(job.scheduler_config_id or 0, self.main)

    def nodes_for(self, row: SchedulerConfig | None) -> tuple[NodeClass, ...]:
        """The nodes that allocations under this row may get; perhaps none."""
        return usable_classes(self.node_classes, row)


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
