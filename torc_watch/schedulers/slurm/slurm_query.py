"""One query of Slurm: a command that changes nothing, and may be repeated."""

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol, TypeVar

from torc_watch.schedulers.slurm.job_table import ACCOUNTING_FORMAT
from torc_watch.schedulers.slurm.query_policy import query_policy

_Table = TypeVar("_Table")


class RunSlurm(Protocol):
    """Runs a command of Slurm and returns its output. Raises SchedulerError."""

    def __call__(self, *command: str) -> Awaitable[str]: ...


async def ask(parse: Callable[[str], _Table], run: RunSlurm, *command: str) -> _Table:
    """Runs a query, again if Slurm was unreachable, and parses what it prints."""
    async for attempt in query_policy():
        with attempt:
            return parse(await run(*command))
    raise AssertionError  # the policy raises the last error


def accounting_command(numbers: Collection[int]) -> tuple[str, ...]:
    """For all lives of these jobs, with their steps."""
    return ("sacct", "--parsable2", "--duplicates", jobs_option(numbers), ACCOUNTING_FORMAT)


def jobs_option(numbers: Collection[int]) -> str:
    return "--jobs=" + ",".join(str(number) for number in sorted(numbers))
