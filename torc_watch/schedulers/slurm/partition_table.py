"""The partitions of a cluster and the nodes in them, as sinfo prints them. Pure."""

import re
from collections.abc import Iterator

from torc_watch.core.allocation import NodeClass
from torc_watch.core.units import MIB
from torc_watch.schedulers.slurm.slurm_table import rows_after
from torc_watch.torc.slurm_quantities import read_gpus, read_time

# Exact values (--exact): without it sinfo joins nodes that differ, and prints the least with a "+".
PARTITION_OPTIONS = ("--exact", "--format=%R|%P|%a|%l|%D|%c|%m|%G")
_HEADING = ("PARTITION", "PARTITION", "AVAIL", "TIMELIMIT", "NODES", "CPUS", "MEMORY", "GRES")
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_NO_LIMIT = "infinite"


def parse_partitions(text: str) -> tuple[NodeClass, ...]:
    """A class for each kind of node of each partition that takes jobs.

    Raises SchedulerUnreachable if the answer is not complete.
    """
    return tuple(_node_classes(text))


def _node_classes(text: str) -> Iterator[NodeClass]:
    for name, marked, availability, limit, count, cpus, memory, gres in rows_after(text, _HEADING):
        if availability != "up" or not all(map(_NUMBER.fullmatch, (count, cpus, memory))):
            continue
        yield NodeClass(
            num_cpus=int(cpus),
            memory=int(memory) * MIB,
            num_gpus=read_gpus(gres) or 0,
            runtime=None if limit == _NO_LIMIT else read_time(limit),
            count=int(count),
            partition=name,
            is_default=marked == f"{name}*",
        )
