"""Which scheduler the allocations of a round are asked of.

A workflow that has anything of Slurm's is never recovered onto the machine of its watch, which is a
login node, unless its user says so.
"""

from collections.abc import Collection
from enum import StrEnum

from torc_watch.core.model import LOCAL, SLURM


class SchedulerChoice(StrEnum):
    AUTO = "auto"  # Slurm for a workflow that has anything of Slurm's, else this machine
    LOCAL = LOCAL
    SLURM = SLURM


def chosen_type(choice: SchedulerChoice, *, used: Collection[str]) -> str:
    """Torc's word for the scheduler to ask; ``used`` are the types that the workflow has used."""
    if choice is SchedulerChoice.AUTO:
        return SLURM if SLURM in used else LOCAL
    return choice.value


def problem_with(
    scheduler_type: str, workflow_id: int, *, known: Collection[str], has_rows: bool
) -> str:
    """Why this scheduler cannot be asked, and what to do about it; empty if it can.

    ``known`` are the types that there are here; ``has_rows`` says whether the workflow has a row
    for this one on the server. A row for Slurm names an account, and cannot be made up.
    """
    here_instead = "or run its jobs on this machine with --scheduler local."
    if scheduler_type not in known:
        return (
            f"The allocations of workflow {workflow_id} belong into Slurm, which cannot be used "
            f"from here. Recover it on a login node of its cluster, {here_instead}"
        )
    if scheduler_type == SLURM and not has_rows:
        return (
            f"Workflow {workflow_id} has no Slurm scheduler on the server, which would say how to "
            f"ask for allocations. Add one to it with Torc, {here_instead}"
        )
    return ""
