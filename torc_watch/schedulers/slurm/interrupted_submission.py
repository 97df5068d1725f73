"""Jobs that a killed submission left in Slurm: held, and without a row on the server."""

import os
from collections.abc import Collection

from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.schedulers.slurm.job_script import is_for_workflow
from torc_watch.schedulers.slurm.slurm_commands import run_slurm
from torc_watch.schedulers.slurm.slurm_query import ask
from torc_watch.schedulers.slurm.submission_table import QUEUED_NAMES, parse_held_names


async def find_interrupted(
    server: str, workflow_id: int, prefix: str, recorded: Collection[int]
) -> dict[int, str]:
    """The names of such jobs of a workflow, which begin with ``prefix``, by their numbers.

    ``recorded`` are those that the server has rows of. Workflows of several servers may have one
    ID, so only the script of a job says whose it is. Raises SchedulerError.
    """
    squeue = ("squeue", f"--user={os.getuid()}", QUEUED_NAMES)
    names = await ask(parse_held_names, run_slurm, *squeue)
    return {
        number: name
        for number, name in sorted(names.items())
        if name.startswith(prefix)
        and number not in recorded
        and is_for_workflow(await _script(number), server, workflow_id)
    }


async def _script(number: int) -> str:
    """Empty for a job that has ended meanwhile."""
    try:
        return await ask(str, run_slurm, "scontrol", "write", "batch_script", str(number), "-")
    except SchedulerUnreachable:
        raise
    except SchedulerError:
        return ""
