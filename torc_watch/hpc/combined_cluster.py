"""A cluster as both Slurm and a profile describe it."""

from dataclasses import replace

from torc_watch.planner.cluster_description import ClusterDescription, Partition
from torc_watch.planner.limits import lowest


def combine(live: ClusterDescription, profile: ClusterDescription) -> ClusterDescription:
    """What Slurm says of nodes, states, access and accounts, within the limits of both.

    A partition that the profile leaves out is used on request only; one that Slurm does not have,
    or does not show to this user, is left out.
    """
    return replace(
        live,
        name=profile.name,
        source=f"{profile.source} and {live.source}",
        partitions=tuple(
            _combined(partition, profile.partition(partition.name)) for partition in live.partitions
        ),
    )


def _combined(live: Partition, profile: Partition | None) -> Partition:
    if profile is None:
        return replace(live, is_on_request=True)
    return replace(
        live,
        max_runtime=lowest(live.max_runtime, profile.max_runtime),
        min_nodes=max(live.min_nodes, profile.min_nodes),
        max_nodes=lowest(live.max_nodes, profile.max_nodes),
        max_nodes_per_user=lowest(live.max_nodes_per_user, profile.max_nodes_per_user),
        max_cpus_per_node=lowest(live.max_cpus_per_node, profile.max_cpus_per_node),
        max_memory_per_node=lowest(live.max_memory_per_node, profile.max_memory_per_node),
        max_memory_per_cpu=lowest(live.max_memory_per_cpu, profile.max_memory_per_cpu),
        is_exclusive=live.is_exclusive or profile.is_exclusive,
        is_on_request=profile.is_on_request,
        charge=profile.charge,
    )
