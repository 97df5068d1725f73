"""Asks Slurm what there is on a cluster, who may use it, and within what limits."""

import grp
import os
import pwd
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from torc_watch.core.allocation import NodeClass
from torc_watch.core.errors import SchedulerCommandMissing
from torc_watch.planner.cluster_description import (
    Association,
    ClusterDescription,
    Limits,
    Partition,
    Qos,
)
from torc_watch.schedulers.slurm.association_table import (
    QOS_COMMAND,
    associations_command,
    associations_of,
    default_account_command,
    parse_association_rows,
    parse_default_account,
    parse_qos,
)
from torc_watch.schedulers.slurm.cluster_settings import (
    SETTINGS_COMMAND,
    ClusterSettings,
    parse_settings,
)
from torc_watch.schedulers.slurm.node_record import (
    NODES_COMMAND,
    NodeRecord,
    node_kinds,
    parse_nodes,
)
from torc_watch.schedulers.slurm.partition_classes import node_classes
from torc_watch.schedulers.slurm.partition_record import (
    PARTITIONS_COMMAND,
    parse_partition_records,
)
from torc_watch.schedulers.slurm.reservation_record import (
    RESERVATIONS_COMMAND,
    parse_reservations,
)
from torc_watch.schedulers.slurm.slurm_commands import run_slurm
from torc_watch.schedulers.slurm.slurm_query import RunSlurm, ask
from torc_watch.schedulers.slurm.slurm_table import rows_after

_SOURCE = "the cluster itself"
# --array: each task of an array counts against limits.
_QUEUED = ("squeue", "--all", "--array", "--states=PENDING,RUNNING,SUSPENDED", "--format=%A")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterUser:
    """Whose allocations are planned. ``groups`` by name."""

    name: str
    number: int
    groups: frozenset[str]


def current_user() -> ClusterUser:
    """The user of this process. It may wait for a directory service of the site."""
    entry = pwd.getpwuid(os.getuid())
    groups: set[str] = set()
    for number in os.getgrouplist(entry.pw_name, entry.pw_gid):
        with suppress(KeyError):  # a group without a name is in no list of Slurm
            groups.add(grp.getgrgid(number).gr_name)
    return ClusterUser(name=entry.pw_name, number=entry.pw_uid, groups=frozenset(groups))


async def describe_cluster(user: ClusterUser, run: RunSlurm = run_slurm) -> ClusterDescription:
    """The cluster that the commands on the PATH speak to, as it is now.

    Without sacctmgr, without accounting, and where Slurm records associations but requires none,
    QOS and associations are None. Where it does not enforce limits, they have none. Raises
    SchedulerUnreachable if a daemon does not answer: a plan without the limits that hold could
    exceed them. Raises SchedulerError for other errors of Slurm's commands.
    """
    settings = await query_settings(run)
    nodes = await ask(parse_nodes, run, *NODES_COMMAND)
    partitions = await _partitions(settings, nodes, run)
    reservations = await ask(
        lambda text: parse_reservations(text, nodes), run, *RESERVATIONS_COMMAND
    )
    qos, associations = await _accounting(user, settings, run)
    return ClusterDescription(
        name=settings.name,
        source=_SOURCE,
        partitions=partitions,
        groups=user.groups,
        qos=qos,
        associations=associations,
        reservations=reservations,
        queued=await ask(_count_rows, run, *_QUEUED, f"--user={user.number}"),
    )


async def query_settings(run: RunSlurm = run_slurm) -> ClusterSettings:
    """Raises SchedulerError."""
    return await ask(parse_settings, run, *SETTINGS_COMMAND)


async def query_node_classes(
    settings: ClusterSettings, groups: frozenset[str], run: RunSlurm = run_slurm
) -> tuple[NodeClass, ...]:
    """What the nodes of each partition have for jobs of a user in these ``groups``.

    Raises SchedulerError.
    """
    nodes = await ask(parse_nodes, run, *NODES_COMMAND)
    return node_classes(await _partitions(settings, nodes, run), groups)


async def _partitions(
    settings: ClusterSettings, nodes: Sequence[NodeRecord], run: RunSlurm
) -> tuple[Partition, ...]:
    def parse(text: str) -> tuple[Partition, ...]:
        return parse_partition_records(text, settings=settings, kinds=node_kinds(nodes))

    return await ask(parse, run, *PARTITIONS_COMMAND)


async def _accounting(
    user: ClusterUser, settings: ClusterSettings, run: RunSlurm
) -> tuple[Mapping[str, Qos] | None, tuple[Association, ...] | None]:
    if not settings.requires_associations:
        return None, None
    try:
        qos = await ask(parse_qos, run, *QOS_COMMAND)
    except SchedulerCommandMissing:
        return None, None
    rows, accounts = [
        await ask(parse_association_rows, run, *associations_command(settings.name, name))
        for name in (user.name, "")
    ]
    default = await ask(parse_default_account, run, *default_account_command(user.name))
    associations = associations_of(rows, accounts, default)
    if settings.enforces_limits:
        return qos, associations
    return (
        {name: replace(each, limits=Limits()) for name, each in qos.items()},
        tuple(replace(each, limits=Limits()) for each in associations),
    )


def _count_rows(text: str) -> int:
    return sum(number.isdecimal() for (number,) in rows_after(text, ("JOBID",)))
