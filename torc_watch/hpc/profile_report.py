"""Profiles as text for users, and as values for scripts."""

from collections.abc import Collection, Iterator
from typing import Any

from torc_watch.core.units import rounded_memory
from torc_watch.hpc.catalog import Catalog, CatalogEntry
from torc_watch.hpc.profile import Detection, HpcProfile, ProfilePartition
from torc_watch.hpc.profile_file import LIVE_CLUSTER
from torc_watch.render.partition_list import partition_values
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines

_LIST_HEAD = ("NAME", "CLUSTER", "PARTITIONS", "FROM", "HERE", "DESCRIPTION")
_SHOW_HEAD = ("PARTITION", "CHARGE", "LOCAL DISK", "DESCRIPTION")


def catalog_lines(catalog: Catalog, detected: Collection[str]) -> Iterator[str]:
    """A table; ``detected`` are names."""
    rows = [_entry_row(entry, is_here=entry.name in detected) for entry in catalog.entries]
    yield from table_lines([_LIST_HEAD, *rows], numbers=[2])


def profile_lines(profile: HpcProfile) -> Iterator[str]:
    yield printable(": ".join(filter(None, (profile.name, profile.display_name))))
    for label, text in (
        ("", profile.description),
        ("recognized by: ", ", or by ".join(_evidences(profile.detection))),
        ("default account: ", profile.default_account),
        ("documentation: ", profile.documentation),
        ("support: ", profile.support),
    ):
        if text:
            yield f"  {label}{printable(text, 300)}"
    yield ""
    rows = [_partition_row(each) for each in profile.partitions]
    yield from table_lines([_SHOW_HEAD, *rows], numbers=[1, 2])
    yield ""
    yield f"Sizes and limits: torc-watchd hpc partitions {printable(profile.name)}"


def entry_values(entry: CatalogEntry, evidence: str) -> dict[str, Any]:
    """``evidence`` is "" where the profile does not match here."""
    profile = entry.profile
    return {
        "name": entry.name,
        "display_name": profile.display_name if profile else None,
        "description": profile.description if profile else None,
        "partitions": len(profile.partitions) if profile else None,
        "from": entry.origin,
        "path": str(entry.path),
        "overrides": [str(weaker.path) for weaker in entry.overrides],
        "detected": bool(evidence),
        "evidence": evidence or None,
        "problem": entry.problem or None,
    }


def live_values(cluster_name: str) -> dict[str, Any]:
    """As `entry_values`, for the cluster of this login node as Slurm describes it."""
    return {
        "name": LIVE_CLUSTER,
        "display_name": cluster_name,
        "description": None,
        "partitions": None,
        "from": "Slurm",
        "path": None,
        "overrides": [],
        "detected": True,
        "evidence": "Slurm's commands are on the PATH",
        "problem": None,
    }


def profile_values(profile: HpcProfile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "display_name": profile.display_name,
        "description": profile.description,
        "documentation": profile.documentation,
        "support": profile.support,
        "default_account": profile.default_account or None,
        "detection": {
            "environment": dict(profile.detection.environment),
            "hostnames": list(profile.detection.hostnames),
        },
        "partitions": [described_partition_values(each) for each in profile.partitions],
    }


def described_partition_values(described: ProfilePartition) -> dict[str, Any]:
    own = {"description": described.description, "local_disk_bytes": described.local_disk}
    return partition_values(described.partition) | own


def _entry_row(entry: CatalogEntry, *, is_here: bool) -> tuple[str, ...]:
    overridden = " and ".join(weaker.origin for weaker in entry.overrides)
    origin = f"{entry.origin}, overrides {overridden}" if overridden else entry.origin
    here = "yes" if is_here else ""
    name = printable(entry.name)
    if entry.profile is None:
        return name, "", "-", origin, here, "not valid"
    profile = entry.profile
    texts = (printable(profile.display_name), str(len(profile.partitions)))
    return name, *texts, origin, here, printable(profile.description)


def _evidences(detection: Detection) -> Iterator[str]:
    yield from (f"{variable}={value}" for variable, value in detection.environment)
    yield from (f"hosts {pattern}" for pattern in detection.hostnames)


def _partition_row(described: ProfilePartition) -> tuple[str, ...]:
    disk = "-" if described.local_disk is None else rounded_memory(described.local_disk)
    charge = f"{described.partition.charge:g}"
    return printable(described.partition.name), charge, disk, printable(described.description)
