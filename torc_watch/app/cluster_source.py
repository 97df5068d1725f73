"""Where the description of a cluster comes from: a profile, Slurm, or both."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace

from anyio import to_thread

from torc_watch.config.sources import profile_folders
from torc_watch.core.errors import InvalidInput
from torc_watch.hpc.catalog import Catalog, DetectedProfile, read_catalog
from torc_watch.hpc.combined_cluster import combine
from torc_watch.hpc.profile import HpcProfile, profile_of
from torc_watch.hpc.profile_file import LIVE_CLUSTER
from torc_watch.planner.cluster_description import Association, ClusterDescription
from torc_watch.schedulers.slurm.cluster_query import current_user, describe_cluster

_LIVE = "The cluster of this login node, as Slurm describes it now"


@dataclass(frozen=True, slots=True)
class KnownClusters:
    """The profiles there are, and those that this login node belongs to: the first one is used.

    ``has_slurm`` says that there is a Slurm to ask, too.
    """

    catalog: Catalog
    detected: tuple[DetectedProfile, ...]
    has_slurm: bool

    def choose(self) -> str:
        """The name of the profile of this login node, or LIVE_CLUSTER. Raises InvalidInput."""
        if self.detected:
            return self.detected[0].entry.name
        if problems := self.catalog.problems:  # one of these may be of this cluster
            others = f" For what Slurm says, name {LIVE_CLUSTER!r}." if self.has_slurm else ""
            raise InvalidInput(
                "\n".join((f"No other HPC profile matches here.{others}", *problems))
            )
        if self.has_slurm:
            return LIVE_CLUSTER
        raise InvalidInput(
            "No cluster was found here: no HPC profile matches, and Slurm's commands are not on "
            "the PATH. Name a profile; list them with: torc-watchd hpc list"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCluster:
    """The cluster to plan for.

    ``is_here`` says that its Slurm is this login node's. ``default_account`` is its profile's, ""
    where there is none, or Slurm says that this user has no part in it.
    """

    description: ClusterDescription
    is_here: bool
    default_account: str = ""


def known_clusters() -> KnownClusters:
    user, *site = profile_folders()
    catalog = read_catalog(user, site)
    detected = catalog.detect(os.environ, os.uname().nodename)
    return KnownClusters(catalog, tuple(detected), has_slurm=shutil.which("sbatch") is not None)


async def find_profile(name: str | None, known: KnownClusters) -> HpcProfile:
    """The profile with this name; without a name, the one of this login node's cluster.

    LIVE_CLUSTER is what Slurm says now, also where no profile matches. Raises InvalidInput where
    there is none or its file is not valid, SchedulerError where Slurm does not answer.
    """
    name = known.choose() if name is None else name
    if name != LIVE_CLUSTER:
        return known.catalog.profile(name)
    live = await live_cluster()
    return replace(profile_of(live), name=LIVE_CLUSTER, display_name=live.name, description=_LIVE)


async def describe(name: str | None) -> ClusterDescription:
    """The cluster to plan for: what `find_profile` finds.

    A profile that matches this login node only limits what Slurm says. Raises as it does.
    """
    known = known_clusters()
    name = known.choose() if name is None else name
    if name == LIVE_CLUSTER:
        return await live_cluster()
    cluster = known.catalog.profile(name).cluster()
    is_here = any(each.entry.name == name for each in known.detected)
    return combine(await live_cluster(), cluster) if is_here and known.has_slurm else cluster


async def find_target(name: str | None) -> TargetCluster:
    """The cluster that `describe` describes. Raises as it does."""
    known = known_clusters()
    name = known.choose() if name is None else name
    description = await describe(name)
    detected = (each.entry.name for each in known.detected)
    account = "" if name == LIVE_CLUSTER else known.catalog.profile(name).default_account
    usable = description.associations
    return TargetCluster(
        description=description,
        is_here=known.has_slurm and name in (LIVE_CLUSTER, *detected),
        default_account=account if usable is None or account in _accounts(usable) else "",
    )


def _accounts(associations: Iterable[Association]) -> set[str]:
    return {each.account for each in associations}


async def live_cluster() -> ClusterDescription:
    """As Slurm describes it now, to this user. Raises SchedulerError."""
    return await describe_cluster(await to_thread.run_sync(current_user))
