"""Clusters to plan for, with the numbers of real ones."""

from typing import Any

from torc_watch.core.units import GIB, MIB
from torc_watch.planner.cluster_description import (
    Association,
    ClusterDescription,
    Limits,
    NodeKind,
    Partition,
    Qos,
    Tres,
)

HOUR = 3600
DAY = 24 * HOUR


def partition(
    name: str,
    *,
    cpus: int = 8,
    memory: int = 16 * GIB,
    count: int = 4,
    runtime: int | None = DAY,
    gpus: dict[str, int] | None = None,
    **more: Any,
) -> Partition:
    """With nodes of one kind."""
    kind = NodeKind(num_cpus=cpus, memory=memory, gpus=gpus or {}, count=count, idle=count)
    return Partition(name=name, kinds=(kind,), max_runtime=runtime, **more)


def cluster(*partitions: Partition, **more: Any) -> ClusterDescription:
    return ClusterDescription(name="test", source="a test", partitions=partitions, **more)


def _kestrel_cpu(name: str, hours: int, nodes: int, *, mb: int = 246064, **more: Any) -> Partition:
    options: dict[str, Any] = {"is_exclusive": True, "charge": 10, **more}
    return partition(name, cpus=104, memory=mb * MIB, count=nodes, runtime=hours * HOUR, **options)


def _kestrel_gpu(name: str, hours: int, nodes: int) -> Partition:
    return partition(
        name,
        cpus=128,
        memory=360000 * MIB,
        count=nodes,
        runtime=hours * HOUR,
        gpus={"h100": 4},
        charge=100,
    )


KESTREL = cluster(
    _kestrel_cpu("debug", 1, 2, is_on_request=True, is_exclusive=False),
    _kestrel_cpu("short", 4, 2240),
    _kestrel_cpu("standard", 48, 2240, max_nodes_per_user=1050),
    _kestrel_cpu("long", 240, 430, max_nodes_per_user=215),
    _kestrel_cpu("medmem", 240, 64, mb=984256, max_nodes_per_user=32),
    _kestrel_cpu("bigmem", 48, 10, mb=2000000, max_nodes_per_user=4),
    _kestrel_cpu("bigmeml", 240, 4, mb=2000000, max_nodes_per_user=2),
    _kestrel_cpu("hbw", 48, 512, min_nodes=2, is_on_request=True),
    _kestrel_cpu("shared", 48, 128, is_on_request=True, is_exclusive=False),
    _kestrel_gpu("gpu-h100s", 4, 156),
    _kestrel_gpu("gpu-h100", 48, 156),
    _kestrel_gpu("gpu-h100l", 240, 39),
)


def _dane(name: str, days: float, *, is_on_request: bool = True) -> Partition:
    return partition(
        name,
        cpus=112,
        memory=257054 * MIB,
        count=1500,
        runtime=int(days * DAY),
        is_exclusive=True,
        is_on_request=is_on_request,
    )


DANE = cluster(
    _dane("pdebug", 1 / 24), _dane("pbatch", 1, is_on_request=False), _dane("pserial", 7)
)

TINY = cluster(partition("all", cpus=4, memory=8 * GIB, count=1, runtime=None, is_default=True))


def large_cluster(partitions: int) -> ClusterDescription:
    """Two kinds of nodes in each partition, accounting, and limits at every level."""
    qos = Qos(
        name="normal",
        limits=Limits(per_user=Tres(num_cpus=20000), max_submitted=500),
    )
    long = Qos(name="long", limits=Limits(max_runtime=10 * DAY), overrides_partition_runtime=True)
    association = Association(
        account="project",
        is_default=True,
        qos=("normal", "long"),
        default_qos="normal",
        limits=Limits(per_job=Tres(num_nodes=64)),
    )
    return cluster(
        *(_large_partition(number) for number in range(partitions)),
        qos={each.name: each for each in (qos, long)},
        associations=(association,),
    )


def _large_partition(number: int) -> Partition:
    cpus, memory = 16 * (1 + number % 8), 64 * GIB * (1 + number % 5)
    small = NodeKind(num_cpus=cpus, memory=memory, count=100)
    large = NodeKind(num_cpus=cpus, memory=4 * memory, gpus={"a100": number % 3 * 2}, count=10)
    return Partition(
        name=f"p{number:02}",
        kinds=(small, large),
        max_runtime=(1 + number % 4) * 12 * HOUR,
        is_exclusive=number % 2 == 0,
        is_default=number == 0,
    )
