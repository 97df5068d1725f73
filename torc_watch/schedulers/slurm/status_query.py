"""The status of many allocations by one squeue and at most one sacct."""

import pwd
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol, TypeVar

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.errors import SchedulerError
from torc_watch.schedulers.slurm.job_status import LIVE_STATES, status_of
from torc_watch.schedulers.slurm.job_table import (
    ACCOUNTING_FORMAT,
    QUEUE_FORMAT,
    AccountingRow,
    parse_accounting,
    parse_queue,
)
from torc_watch.schedulers.slurm.query_policy import query_policy
from torc_watch.schedulers.slurm.slurm_commands import INVALID_NUMBER, run_slurm

_Table = TypeVar("_Table")


class RunSlurm(Protocol):
    """Runs a command of Slurm and returns its output. Raises SchedulerError."""

    def __call__(self, *command: str) -> Awaitable[str]: ...


async def query_statuses(
    numbers: Collection[int], run: RunSlurm = run_slurm
) -> dict[int, AllocationStatus]:
    """A status for each number. Raises SchedulerError if squeue does not answer.

    While accounting does not answer, those that squeue has as alive are ALIVE, the others UNKNOWN.
    """
    if not numbers:
        return {}
    queue = await _queue(numbers, run)
    others = [number for number in numbers if queue.get(number) not in LIVE_STATES]
    lives: Mapping[int, tuple[AccountingRow, ...]] = {}
    if others:
        try:
            lives = await _accounting(others, run)
        except SchedulerError as error:
            return {number: _without_accounting(queue.get(number), error) for number in numbers}
    return {
        number: status_of(queue.get(number), lives.get(number, ()), _user_name)
        for number in numbers
    }


async def _queue(numbers: Collection[int], run: RunSlurm) -> dict[int, str]:
    try:
        # All states: without them a job that has just ended looks like one that never was.
        return await _ask(parse_queue, run, "squeue", "--states=all", _jobs(numbers), QUEUE_FORMAT)
    except SchedulerError as error:
        if len(numbers) == 1 and INVALID_NUMBER in str(error):
            return {}  # the same answer as none of several numbers, which is no error
        raise


async def _accounting(
    numbers: Collection[int], run: RunSlurm
) -> dict[int, tuple[AccountingRow, ...]]:
    options = ("--parsable2", "--duplicates", _jobs(numbers), ACCOUNTING_FORMAT)
    return await _ask(parse_accounting, run, "sacct", *options)


async def _ask(parse: Callable[[str], _Table], run: RunSlurm, *command: str) -> _Table:
    async for attempt in query_policy():
        with attempt:
            return parse(await run(*command))
    raise AssertionError  # the policy raises the last error


def _without_accounting(queued: str | None, error: SchedulerError) -> AllocationStatus:
    if queued in LIVE_STATES:
        return status_of(queued, (), _user_name)
    return AllocationStatus(state=AllocationState.UNKNOWN, detail=str(error))


def _jobs(numbers: Collection[int]) -> str:
    return "--jobs=" + ",".join(str(number) for number in sorted(numbers))


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
