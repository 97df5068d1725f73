"""The steps of allocations, for the cause of what they left running.

An allocation ends in order although one of its steps was killed for its memory: where each of a
worker's jobs is a step, only that says why the job failed. What accounting has as the peak memory
of a killed step is not asked for, because Slurm measures it too seldom.
"""

from collections.abc import Collection

from torc_watch.schedulers.slurm.job_table import StepRow, parse_steps
from torc_watch.schedulers.slurm.slurm_commands import run_slurm
from torc_watch.schedulers.slurm.slurm_query import RunSlurm, accounting_command, ask


async def query_steps(
    numbers: Collection[int], run: RunSlurm = run_slurm
) -> dict[int, tuple[StepRow, ...]]:
    """The steps of all lives of each job; jobs without any are left out. Raises SchedulerError."""
    if not numbers:
        return {}
    return await ask(parse_steps, run, *accounting_command(numbers))
