"""The steps of allocations, for the cause of what they left running.

An allocation ends in order although one of its steps was killed for its memory: where each of a
worker's jobs is a step, only that says why the job failed. What accounting has as the peak memory
of a killed step is not asked for, because Slurm measures it too seldom.
"""

from collections.abc import Collection, Iterable
from datetime import timedelta

from torc_watch.core.allocation import EndCause, StepEnd
from torc_watch.schedulers.slurm.job_status import CAUSES
from torc_watch.schedulers.slurm.job_table import StepRow, parse_steps
from torc_watch.schedulers.slurm.slurm_commands import run_slurm
from torc_watch.schedulers.slurm.slurm_query import RunSlurm, accounting_command, ask

_SIGNAL = 128  # and its number: what a shell returns of a process that it ended
_KILL = 9


async def query_steps(
    numbers: Collection[int], run: RunSlurm = run_slurm
) -> dict[int, tuple[StepRow, ...]]:
    """The steps of all lives of each job; jobs without any are left out. Raises SchedulerError."""
    if not numbers:
        return {}
    return await ask(parse_steps, run, *accounting_command(numbers))


def step_ends(rows: Iterable[StepRow]) -> dict[str, StepEnd]:
    """How each step ended, by its name; without those of which accounting knows no end."""
    return {row.name: _step_end(row) for row in rows if row.state in CAUSES}


def _step_end(row: StepRow) -> StepEnd:
    cause = CAUSES[row.state]
    ended = None
    if row.start is not None and row.elapsed is not None:
        ended = row.start + timedelta(seconds=row.elapsed)
    return StepEnd(
        cause=cause, return_code=_return_code(row.exit_code, cause), began=row.start, ended=ended
    )


def _return_code(exit_code: str, cause: EndCause | None) -> int:
    """Of ``code:signal``. Slurm writes 0:125 for a step that was killed for its memory."""
    if cause is EndCause.OUT_OF_MEMORY:
        return _SIGNAL + _KILL
    code, _, number = exit_code.partition(":")
    if number.isdecimal() and int(number):
        return _SIGNAL + int(number)
    return int(code) if code.isdecimal() else _SIGNAL + _KILL
