"""A profile of a cluster. Sizes are in bytes, durations in seconds."""

from dataclasses import dataclass, field

from torc_watch.planner.cluster_description import ClusterDescription, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What shows that a login node belongs to the cluster; any of it does.

    ``environment`` has variables with their values, ``hostnames`` shell patterns.
    """

    environment: tuple[tuple[str, str], ...] = ()
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePartition:
    """A partition, and what no planner needs. ``local_disk`` is of each node."""

    partition: Partition
    description: str = ""
    local_disk: int | None = None

    @property
    def has_gpus(self) -> bool:
        return any(kind.num_gpus for kind in self.partition.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class HpcProfile:
    """``support`` is whom to ask, ``documentation`` where to read."""

    name: str
    display_name: str = ""
    description: str = ""
    documentation: str = ""
    support: str = ""
    default_account: str = ""
    detection: Detection = field(default_factory=Detection)
    partitions: tuple[ProfilePartition, ...] = ()

    def cluster(self) -> ClusterDescription:
        return ClusterDescription(
            name=self.name,
            source=f"profile {self.name}",
            partitions=tuple(each.partition for each in self.partitions),
        )


def profile_of(cluster: ClusterDescription, *, hostname: str = "") -> HpcProfile:
    """What the cluster itself says; it is recognized by names like ``hostname``."""
    return HpcProfile(
        name=cluster.name,
        detection=Detection(hostnames=(hostname,) if hostname else ()),
        partitions=tuple(ProfilePartition(partition=each) for each in cluster.partitions),
    )
