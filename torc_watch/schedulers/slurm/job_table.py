"""What squeue and sacct print of jobs: text formats of our own, not JSON.

The shape of ``--json``, its filters, and what it says of a failure differ from release to release;
22.05 prints no jobs and exit status 0 when the controller is down. Text has the same fields in all.
The heading is asked for, because it tells an answer without jobs from no answer.

Names are text of users, which may hold separators and newlines. So they are the last field, and
squeue cuts them: a line that such a name breaks is too short to be read as another job's. Times are
seconds since 1970, because ``slurm_commands`` asks for them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

from torc_watch.schedulers.slurm.slurm_table import SEPARATOR, lines_after

_NAME_WIDTH = 20  # one more than the longest name of ours, which a longer name is not taken for
_QUEUE_FIELDS = ("%A", "%T", "%U", "%S", "%e", "%N", f"%{_NAME_WIDTH}j", "%r")
QUEUE_FORMAT = f"--format={SEPARATOR.join(_QUEUE_FIELDS)}"
_QUEUE_HEADING = ("JOBID", "STATE")
_ACCOUNTING_HEADING = (
    *("JobIDRaw", "State", "ExitCode", "NodeList"),
    *("UID", "Start", "End", "ElapsedRaw", "JobName"),
)
ACCOUNTING_FORMAT = f"--format={','.join(_ACCOUNTING_HEADING)}"


class QueueRow(NamedTuple):
    """One job in squeue; a tuple, because there may be thousands of them in every query.

    ``start`` and ``end``, in seconds since 1970, are expectations until it started and ended.
    """

    number: int
    state: str
    user: int
    start: int | None
    end: int | None
    nodes: str
    name: str  # its first 20 characters
    reason: str  # why it waits; a sentence at some sites


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingRow:
    """One life of a job; a requeued job has several.

    ``exit_code`` is ``code:signal``; ``start`` and ``end`` are in seconds since 1970.
    """

    number: int
    state: str  # one word; of a canceled job without the user
    canceled_by: int | None  # a user's number
    exit_code: str
    nodes: str
    user: int
    start: int | None
    end: int | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of one life of a job: what a single ``srun`` ran, or the batch script.

    ``step`` is a number, ``batch``, ``extern`` or ``interactive``. ``elapsed`` is in seconds.
    """

    number: int
    step: str
    name: str
    state: str
    canceled_by: int | None
    exit_code: str
    start: datetime | None
    elapsed: int | None
    nodes: str = ""


_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTable(Generic[_Row]):
    """The rows of each job, oldest first, and lines that begin as one of a job and are not."""

    rows: Mapping[int, tuple[_Row, ...]] = field(default_factory=dict)
    unreadable: Mapping[int, str] = field(default_factory=dict)


def parse_queue(text: str) -> JobTable[QueueRow]:
    """The jobs in squeue, as it prints them with QUEUE_FORMAT and a heading.

    Raises SchedulerUnreachable if there is no heading.
    """
    rows: dict[int, tuple[QueueRow, ...]] = {}
    unreadable: dict[int, str] = {}
    for fields in lines_after(text, heading=_QUEUE_HEADING, columns=len(_QUEUE_FIELDS) - 1):
        if not fields[0].isdecimal():
            continue
        if row := _queue_row(fields):
            rows[row.number] = (row,)
        else:
            unreadable[int(fields[0])] = SEPARATOR.join(fields)
    return JobTable(rows=rows, unreadable=unreadable)


def parse_accounting(text: str) -> JobTable[AccountingRow]:
    """The lives of each job, as ``sacct -P -D`` prints them with ACCOUNTING_FORMAT.

    Steps are left out. Raises SchedulerUnreachable if there is no heading.
    """
    rows: dict[int, tuple[AccountingRow, ...]] = {}
    unreadable: dict[int, str] = {}
    for fields in _accounting_lines(text):
        if not fields[0].isdecimal():
            continue
        if row := _accounting_row(fields):
            rows[row.number] = (*rows.get(row.number, ()), row)
        else:
            unreadable[int(fields[0])] = SEPARATOR.join(fields)
    return JobTable(rows=rows, unreadable=unreadable)


def parse_steps(text: str) -> dict[int, tuple[StepRow, ...]]:
    """The steps of all lives of each job, as ``sacct -P -D`` prints them with ACCOUNTING_FORMAT.

    Raises SchedulerUnreachable if there is no heading.
    """
    steps: dict[int, tuple[StepRow, ...]] = {}
    for fields in _accounting_lines(text):
        if row := _step_row(fields):
            steps[row.number] = (*steps.get(row.number, ()), row)
    return steps


def point_in_time(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _queue_row(fields: list[str]) -> QueueRow | None:
    if len(fields) < len(_QUEUE_FIELDS) - 1 or not fields[2].isdecimal():
        return None
    number, state, user, start, end, nodes, rest = fields
    name, reason = _name_and_reason(rest)
    # By position: with keywords, reading thousands of rows takes a sixth longer.
    return QueueRow(
        int(number), state, int(user), _seconds(start), _seconds(end), nodes, name, reason
    )


def _name_and_reason(text: str) -> tuple[str, str]:
    """The name's width is in bytes, so one that is not ASCII, and none of ours, is narrower."""
    if text[_NAME_WIDTH : _NAME_WIDTH + 1] == SEPARATOR:
        name, reason = text[:_NAME_WIDTH], text[_NAME_WIDTH + 1 :]
    elif SEPARATOR in text:
        name, _, reason = text.rpartition(SEPARATOR)
    else:  # a name that breaks the line
        name, reason = text, ""
    return name.rstrip(), reason.strip()


def _accounting_row(fields: list[str]) -> AccountingRow | None:
    if len(fields) < len(_ACCOUNTING_HEADING) or not fields[4].isdecimal():
        return None
    number, state, exit_code, nodes, user, start, end, _, name = fields
    word, canceled_by = _state(state)
    return AccountingRow(
        number=int(number),
        state=word,
        canceled_by=canceled_by,
        exit_code=exit_code,
        nodes=nodes,
        user=int(user),
        start=_seconds(start),
        end=_seconds(end),
        name=name,
    )


def _step_row(fields: list[str]) -> StepRow | None:
    number, point, step = fields[0].partition(".")
    if len(fields) < len(_ACCOUNTING_HEADING) or not point or not number.isdecimal():
        return None
    word, canceled_by = _state(fields[1])
    return StepRow(
        number=int(number),
        step=step,
        name=fields[8],
        state=word,
        canceled_by=canceled_by,
        exit_code=fields[2],
        start=point_in_time(_seconds(fields[5])),
        elapsed=_seconds(fields[7]),
        nodes=fields[3],
    )


def _state(text: str) -> tuple[str, int | None]:
    word, _, user = text.partition(" by ")  # CANCELLED by 2001
    return word, int(user) if user.isdecimal() else None


def _seconds(text: str) -> int | None:
    """None for Unknown, None, N/A, and what a command prints that heeds no SLURM_TIME_FORMAT."""
    return int(text) if text.isdecimal() else None


def _accounting_lines(text: str) -> Iterator[list[str]]:
    return lines_after(text, heading=_ACCOUNTING_HEADING, columns=len(_ACCOUNTING_HEADING))
