"""Where the description of a cluster comes from: a profile."""

import os
from dataclasses import dataclass

from torc_watch.config.sources import profile_folders
from torc_watch.core.errors import InvalidInput
from torc_watch.hpc.catalog import Catalog, DetectedProfile, read_catalog
from torc_watch.hpc.profile import HpcProfile
from torc_watch.planner.cluster import ClusterDescription


@dataclass(frozen=True, slots=True)
class KnownClusters:
    """The profiles there are, and those that this login node belongs to: the first one is used."""

    catalog: Catalog
    detected: tuple[DetectedProfile, ...]


def known_clusters() -> KnownClusters:
    user, *site = profile_folders()
    catalog = read_catalog(user, site)
    return KnownClusters(catalog, tuple(catalog.detect(os.environ, os.uname().nodename)))


async def find_profile(name: str | None, known: KnownClusters) -> HpcProfile:
    """The profile with this name; without a name, the one of this login node's cluster.

    Raises InvalidInput where there is none, or where its file is not valid.
    """
    if name is None:
        name = _detected_name(known)
    return known.catalog.profile(name)


async def describe(name: str | None) -> ClusterDescription:
    """What `find_profile` finds, for the planner. Raises InvalidInput as it does."""
    return (await find_profile(name, known_clusters())).cluster()


def _detected_name(known: KnownClusters) -> str:
    if known.detected:
        return known.detected[0].entry.name
    if problems := known.catalog.problems:  # one of these may be of this cluster
        raise InvalidInput("\n".join(("No other HPC profile matches here.", *problems)))
    raise InvalidInput(
        "No cluster was found here: no HPC profile matches. Name one; list them with: "
        "torc-watchd hpc list"
    )
