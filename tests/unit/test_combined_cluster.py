"""Slurm's description of a cluster within the limits of a profile."""

from torc_watch.hpc.combined_cluster import combine
from torc_watch.planner.cluster_description import (
    Access,
    Association,
    ClusterDescription,
    NodeKind,
    Partition,
)

REAL = NodeKind(num_cpus=64, memory=251 << 30, count=90, idle=3)
LIVE = ClusterDescription(
    name="ridge-slurm",
    source="the cluster itself",
    partitions=(
        Partition(
            name="batch",
            state="DOWN",
            is_default=True,
            kinds=(REAL,),
            max_runtime=7200,
            default_runtime=60,
            max_nodes=10,
            max_cpus_per_node=64,
            accounts=Access(allowed=frozenset(["physics"])),
            qos="normal",
        ),
        Partition(name="new", kinds=(REAL,)),
        Partition(name="devel", kinds=(REAL,), is_on_request=True),
    ),
    associations=(Association(account="physics"),),
    queued=5,
)
PROFILE = ClusterDescription(
    name="ridge",
    source="profile ridge",
    partitions=(
        Partition(
            name="batch",
            kinds=(NodeKind(num_cpus=32, memory=1 << 30, count=100),),
            max_runtime=3600,
            default_runtime=1800,
            min_nodes=2,
            max_nodes=20,
            max_nodes_per_user=4,
            max_memory_per_node=200 << 30,
            is_exclusive=True,
            is_on_request=True,
            charge=10,
        ),
        Partition(name="gone", kinds=(REAL,)),
        Partition(name="devel", kinds=(REAL,)),
    ),
)


def test_slurm_within_the_limits_of_both() -> None:
    combined = combine(LIVE, PROFILE)

    assert combined == ClusterDescription(
        name="ridge",
        source="profile ridge and the cluster itself",
        partitions=(
            Partition(
                name="batch",
                state="DOWN",
                is_default=True,
                kinds=(REAL,),
                max_runtime=3600,
                default_runtime=60,
                min_nodes=2,
                max_nodes=10,
                max_nodes_per_user=4,
                max_cpus_per_node=64,
                max_memory_per_node=200 << 30,
                accounts=Access(allowed=frozenset(["physics"])),
                qos="normal",
                is_exclusive=True,
                is_on_request=True,
                charge=10,
            ),
            Partition(name="new", kinds=(REAL,), is_on_request=True),
            Partition(name="devel", kinds=(REAL,)),
        ),
        associations=(Association(account="physics"),),
        queued=5,
    )
