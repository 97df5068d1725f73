"""The options by which users say what allocations to ask Slurm for."""

from typing import Annotated

import typer

from torc_watch.cli.options import walltime_seconds
from torc_watch.core.allocation_tokens import MAX_ALLOCATIONS
from torc_watch.planner.cluster_plan import PlanOptions


def plan_options(
    *,
    account: str | None,
    partition: str | None,
    walltime: int | None,
    qos: str | None,
) -> PlanOptions:
    return PlanOptions(
        account=account or "",
        partition=partition or "",
        qos=qos or "",
        runtime=walltime,
        max_allocations=MAX_ALLOCATIONS,
    )


Account = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The account to charge. [default: the workflow's, the profile's, or yours in Slurm]",
        show_default=False,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="HPC profile of the cluster. [default: the cluster of this login node]",
        show_default=False,
    ),
]
InPartition = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Partition of all allocations. [default: by need]",
        show_default=False,
    ),
]
Walltime = Annotated[
    int | None,
    typer.Option(
        parser=walltime_seconds,
        metavar="TIME",
        help="Walltime of all allocations, such as 4:00:00 or 1-12:00:00. [default: by need]",
        show_default=False,
    ),
]
QualityOfService = Annotated[
    str | None,
    typer.Option("--qos", metavar="NAME", help="QOS of all allocations.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Print the plan and change nothing.")]
