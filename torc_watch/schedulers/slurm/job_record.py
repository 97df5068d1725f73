"""What squeue and sacct together say of one job, without what they say of others. Pure.

After a crash Slurm's controller uses the numbers of jobs again that it forgot. So a row counts only
if it is of the job that is meant: by its name, or where that is not known, by its user.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from torc_watch.schedulers.slurm.job_table import AccountingRow, JobTable, QueueRow

# What accounting of 22.05 has for some seconds where a job's name will be.
_LATE_NAMES = ("", "allocation")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingAnswer:
    """What sacct said: a table, or ``silence``, which is why not. ``exists``: ever a table.

    ``is_down`` says that it did not answer, rather than that it was not asked.
    """

    table: JobTable[AccountingRow] = field(default_factory=JobTable)
    silence: str = ""
    is_down: bool = False
    exists: bool = True


class JobRecord(NamedTuple):
    """The rows of one job; its lives in accounting are oldest first. A tuple, as ``QueueRow``.

    ``unreadable`` is a line about it that cannot be read; ``silence`` is why accounting says
    nothing, if it does not, and ``accounting_is_down`` whether it did not answer.
    """

    queued: QueueRow | None = None
    lives: tuple[AccountingRow, ...] = ()
    unreadable: str = ""
    silence: str = ""
    accounting_is_down: bool = False
    has_accounting: bool = True


def job_record(
    number: int,
    name: str | None,
    *,
    user: int,
    queue: JobTable[QueueRow],
    accounting: AccountingAnswer,
) -> JobRecord:
    """``name`` is the job's, None where it is not known; ``user`` is this process's."""
    rows = queue.rows.get(number)
    queued = rows[0] if rows and _is_queued(rows[0], name, user) else None
    lives = accounting.table.rows.get(number)
    return JobRecord(
        queued=queued,
        lives=tuple(life for life in lives if _is_life(life, name, user, queued)) if lives else (),
        unreadable=queue.unreadable.get(number) or accounting.table.unreadable.get(number, ""),
        silence=accounting.silence,
        accounting_is_down=accounting.is_down,
        has_accounting=accounting.exists,
    )


def _is_queued(row: QueueRow, name: str | None, user: int) -> bool:
    return row.user == user if name is None else row.name == name


def _is_life(row: AccountingRow, name: str | None, user: int, queued: QueueRow | None) -> bool:
    if name is None:
        return row.user == user
    if row.name in _LATE_NAMES:  # squeue had the name from the beginning
        return row.user == user and queued is not None
    return row.name == name
