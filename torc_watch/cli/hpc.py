"""hpc: profiles of clusters, and the cluster that this login node belongs to."""

import json
from typing import Annotated

import typer

from torc_watch.app.cluster_source import KnownClusters, find_profile, known_clusters
from torc_watch.cli import options
from torc_watch.cli.command_output import print_warning
from torc_watch.cli.event_loop import run
from torc_watch.hpc.catalog import DetectedProfile
from torc_watch.hpc.profile import HpcProfile
from torc_watch.hpc.profile_report import (
    catalog_lines,
    described_partition_values,
    entry_values,
    profile_lines,
    profile_values,
)
from torc_watch.render.partition_table import partition_lines

_NOT_FOUND = 1

app = typer.Typer(
    help="Show HPC profiles: clusters, their partitions and limits.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[
    str | None,
    typer.Argument(
        help="The profile's name. [default: the cluster of this login node]",
        metavar="[NAME]",
        show_default=False,
    ),
]


@app.callback()
def hpc() -> None:
    pass


@app.command()
def detect(*, as_json: options.Json = False) -> int:
    """Say which cluster this login node belongs to, and what shows it.

    Ends with 1 if none is found.

    \b
    Examples:
      torc-watchd hpc detect
      torc-watchd hpc detect --json
    """
    known = known_clusters()
    _warn_of_problems(known)
    found = known.detected
    if as_json:
        values = [entry_values(each.entry, each.evidence) for each in found]
        print(json.dumps({"detected": values[0] if values else None, "others": values[1:]}))
    elif found:
        print("\n".join(map(_detected_line, found)))
    else:
        print("No cluster was found here: no HPC profile matches.")
    return 0 if found else _NOT_FOUND


@app.command("list")
def list_(*, as_json: options.Json = False) -> int:
    """List all profiles, with where each is from and whether it matches here.

    Profiles of your own are in ~/.config/torc-watchd/hpc, those of the site in
    /etc/xdg/torc-watchd/hpc. Yours override the site's, which override those built in, by name.
    Ends with 1 if one is not valid.

    \b
    Examples:
      torc-watchd hpc list
      torc-watchd hpc list --json
    """
    known = known_clusters()
    evidence = {each.entry.name: each.evidence for each in known.detected}
    if as_json:
        entries = known.catalog.entries
        print(json.dumps([entry_values(entry, evidence.get(entry.name, "")) for entry in entries]))
    else:
        print("\n".join(catalog_lines(known.catalog, evidence.keys())))
    _warn_of_problems(known)
    return _NOT_FOUND if known.catalog.problems else 0


@app.command()
def show(name: Name = None, *, as_json: options.Json = False) -> None:
    """Show a profile: how its cluster is recognized, and its partitions.

    \b
    Examples:
      torc-watchd hpc show kestrel
      torc-watchd hpc show kestrel --json
    """
    profile = _find(name)
    if as_json:
        print(json.dumps(profile_values(profile)))
    else:
        print("\n".join(profile_lines(profile)))


@app.command()
def partitions(
    name: Name = None,
    *,
    gpu: Annotated[bool, typer.Option("--gpu", help="Only partitions with GPUs.")] = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="Only partitions whose nodes are shared by jobs.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the partitions of a profile, with the limits of each.

    CPUs, memory and GPUs are those of one node. Allocations are planned into a partition that is
    "on request" only if you name it.

    \b
    Examples:
      torc-watchd hpc partitions
      torc-watchd hpc partitions kestrel --gpu
    """
    profile = _find(name)
    chosen = [
        each
        for each in profile.partitions
        if (each.has_gpus or not gpu) and not (shared and each.partition.is_exclusive)
    ]
    if as_json:
        print(json.dumps([described_partition_values(each) for each in chosen]))
    elif chosen:
        print("\n".join(partition_lines([each.partition for each in chosen])))
    else:
        print(f"No partition of {profile.name} is like that.")


def _find(name: str | None) -> HpcProfile:
    return run(lambda: find_profile(name, known_clusters()))


def _detected_line(detected: DetectedProfile) -> str:
    entry = detected.entry
    title = entry.profile.display_name if entry.profile else ""
    return f"{entry.name}{f' ({title})' if title else ''}: {detected.evidence}"


def _warn_of_problems(known: KnownClusters) -> None:
    for problem in known.catalog.problems:
        print_warning(problem)
