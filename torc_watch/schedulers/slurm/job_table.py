"""What squeue and sacct print of jobs: text formats of our own, not JSON.

The shape of ``--json``, its filters, and what it says of a failure differ from release to release;
22.05 prints no jobs and exit status 0 when the controller is down. Text has the same fields in all.
No text of a user is asked for, such as names or comments: they may hold separators and newlines.
The heading is asked for, because it tells an answer without jobs from no answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torc_watch.core.errors import SchedulerUnreachable

_SEPARATOR = "|"
QUEUE_FORMAT = "--format=%A|%T"
ACCOUNTING_FORMAT = "--format=JobIDRaw,State,ExitCode,NodeList"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingRow:
    """One life of a job; a requeued job has several. ``exit_code`` is ``code:signal``."""

    number: int
    state: str  # one word; of a canceled job without the user
    canceled_by: int | None  # a user's number
    exit_code: str
    nodes: str


def parse_queue(text: str) -> dict[int, str]:
    """The state of each job, as squeue prints it with QUEUE_FORMAT and a heading.

    Raises SchedulerUnreachable if there is no heading.
    """
    rows = _rows(text, heading=("JOBID", "STATE"))
    return {int(number): state for number, state in rows if number.isdecimal()}


def parse_accounting(text: str) -> dict[int, tuple[AccountingRow, ...]]:
    """The lives of each job, oldest first, as ``sacct -P -D`` prints them with ACCOUNTING_FORMAT.

    Steps are left out. Raises SchedulerUnreachable if there is no heading.
    """
    lives: dict[int, tuple[AccountingRow, ...]] = {}
    for number, state, exit_code, nodes in _rows(
        text, heading=("JobIDRaw", "State", "ExitCode", "NodeList")
    ):
        if number.isdecimal():
            row = _accounting_row(int(number), state, exit_code, nodes)
            lives[row.number] = (*lives.get(row.number, ()), row)
    return lives


def _accounting_row(number: int, state: str, exit_code: str, nodes: str) -> AccountingRow:
    word, _, user = state.partition(" by ")  # CANCELLED by 2001
    return AccountingRow(
        number=number,
        state=word,
        canceled_by=int(user) if user.isdecimal() else None,
        exit_code=exit_code,
        nodes=nodes,
    )


def _rows(text: str, *, heading: tuple[str, ...]) -> Iterator[list[str]]:
    """The rows after the heading; a site's banner, in other lines, is skipped."""
    lines = [line.strip().split(_SEPARATOR) for line in text.splitlines()]
    if list(heading) not in lines:
        raise SchedulerUnreachable(
            f"Slurm's answer has no heading {_SEPARATOR.join(heading)!r}, so it may not be "
            "complete. Check whether this site replaces squeue or sacct with programs of its own."
        )
    first = lines.index(list(heading)) + 1
    yield from (fields for fields in lines[first:] if len(fields) == len(heading))
