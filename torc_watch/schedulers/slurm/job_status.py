"""What the answers of squeue and sacct mean for one allocation. Pure.

Where there is accounting, it alone says GONE with a cause: only accounting knows who canceled a
job, and squeue forgets a job some minutes after its end, or when its controller crashes. A job that
neither can account for is GONE after a while, because a workflow cannot wait for it for ever. While
accounting is down for longer than that takes, what squeue says of an end is enough.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause, StepEnd
from torc_watch.schedulers.slurm.job_record import JobRecord
from torc_watch.schedulers.slurm.job_table import AccountingRow, QueueRow, StepRow, point_in_time
from torc_watch.schedulers.slurm.node_names import node_names
from torc_watch.schedulers.slurm.pending_reason import PendingKind, pending_detail, pending_kind

# Longer than squeue remembers an ended job (MinJobAge, 300 s by default), and than accounting takes
# for its rows after slurmdbd was down (17 s).
LOST_AFTER = 330.0  # seconds
# Accounting that still has a job as alive may only be late, by as long as slurmdbd was down.
RUNAWAY_AFTER = 3600.0
# An ended job that squeue still has, while accounting is down: shorter than MinJobAge, and longer
# than it takes to restart slurmdbd.
DOWN_AFTER = 180.0

_STARTED_STATES = frozenset(
    {
        *("CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"),
        *("COMPLETING", "STAGE_OUT", "EXPEDITING", "POWER_UP_NODE"),
    }
)
_WAITING_STATES = frozenset(
    {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
)
# COMPLETING hides how the job ends, and its processes may still report.
LIVE_STATES = _STARTED_STATES | _WAITING_STATES
_CAUSES = {
    "COMPLETED": None,
    "FAILED": EndCause.FAILED,
    "OUT_OF_MEMORY": EndCause.OUT_OF_MEMORY,
    "TIMEOUT": EndCause.TIME_LIMIT,
    "DEADLINE": EndCause.TIME_LIMIT,
    "NODE_FAIL": EndCause.NODE_FAILURE,
    "BOOT_FAIL": EndCause.NODE_FAILURE,
    "PREEMPTED": EndCause.PREEMPTED,
    "CANCELLED": EndCause.CANCELED,
}
_HOLDS = {
    "REQUEUE_HOLD": "JobHoldMaxRequeue",
    "SPECIAL_EXIT": "JobHeldUser",
    "RESV_DEL_HOLD": "ReservationDeleted",
}
_NODE_FAILURE = "NODE_FAIL"  # after BOOT_FAIL nothing had been started
_NO_OUTPUT_FILE = "0:53"
_FIRST_SIGNAL, _LAST_SIGNAL = 128, 64  # above it are Slurm's own marks: 125 is out of memory
_NO_NODES = ("", "None assigned", "(null)")


def is_alive(record: JobRecord) -> bool:
    return record.queued is not None and record.queued.state in LIVE_STATES


def is_missing(record: JobRecord) -> bool:
    """Whether squeue does not know the job, and accounting answers without its end."""
    if record.queued is not None or record.unreadable:
        return False
    if not record.has_accounting:
        return True
    return not record.silence and not (record.lives and record.lives[-1].state in _CAUSES)


def is_unaccounted(record: JobRecord) -> bool:
    """Whether squeue has the job as ended, or not at all, and accounting is down."""
    if record.unreadable or not record.accounting_is_down:
        return False
    return record.queued is None or record.queued.state in _CAUSES


def status_of(
    record: JobRecord,
    user_name: Callable[[int], str],
    *,
    missing_for: float = 0.0,
    unaccounted_for: float = 0.0,
) -> AllocationStatus:
    """The status of one allocation, which is missing or unaccounted for so many seconds.

    UNKNOWN says in its ``detail`` what is missing: accounting learns of a job, of its end and of
    its next life some seconds late, and even later after slurmdbd was down.
    """
    queued = record.queued
    if queued is not None and queued.state in LIVE_STATES:
        return _alive(queued)
    if record.unreadable:
        return _unknown(f"torc-watch cannot read Slurm's line {record.unreadable!r}")
    if queued is not None and queued.state not in _CAUSES:
        return _unknown(f"torc-watch does not know the Slurm state {queued.state}")
    if is_missing(record):
        return _missing(record.lives, missing_for)
    if not record.has_accounting and queued is not None:
        return _ended_in_queue(queued, "this cluster has no accounting")
    silent = _unaccounted(record, unaccounted_for) if record.silence else None
    return silent or _ended(queued, record.lives, user_name)


def failed_nodes(record: JobRecord) -> tuple[str, ...]:
    """The nodes of all lives of the job that ended because a node failed.

    Slurm does not end the processes on a node that does not answer: they run on until it does.
    """
    seen = [(row.state, row.nodes) for row in record.lives]
    if record.queued is not None:
        seen.append((record.queued.state, record.queued.nodes))
    lists = (nodes for state, nodes in seen if state == _NODE_FAILURE and nodes not in _NO_NODES)
    return tuple(dict.fromkeys(name for nodes in lists for name in node_names(nodes)))


def awaiting_nodes(status: AllocationStatus, silent: tuple[str, ...]) -> AllocationStatus:
    """The status of an ended allocation while these nodes of it do not answer."""
    names = ", ".join(silent)
    failed = f"node {names} failed" if len(silent) == 1 else f"nodes {names} failed"
    return replace(
        status,
        state=AllocationState.UNKNOWN,
        detail=f"{failed} and may still run its jobs",
        silent_nodes=silent,
    )


def _alive(row: QueueRow) -> AllocationStatus:
    if row.state in _STARTED_STATES:
        return _started(row.start)
    return _waiting(_HOLDS.get(row.state, row.reason))


@lru_cache(maxsize=10_000)  # thousands of jobs run, and none of them changes its start
def _started(start: int | None) -> AllocationStatus:
    return AllocationStatus(state=AllocationState.ALIVE, began=point_in_time(start))


@lru_cache  # thousands of jobs wait for few reasons
def _waiting(reason: str) -> AllocationStatus:
    return AllocationStatus(
        state=AllocationState.ALIVE,
        detail=pending_detail(reason),
        never_starts=pending_kind(reason) is PendingKind.STUCK,
    )


def _missing(lives: Sequence[AccountingRow], missing_for: float) -> AllocationStatus:
    grace = RUNAWAY_AFTER if lives else LOST_AFTER
    where = f"accounting still has it as {lives[-1].state}, squeue" if lives else "Slurm"
    what = f"{where} has not known it for {missing_for:.0f} s"
    if missing_for <= grace:
        return _unknown(f"{what}; after {grace:.0f} s it counts as ended")
    return AllocationStatus(
        state=AllocationState.GONE,
        cause=EndCause.LOST,
        detail=f"{what}, so nothing is known of its end",
        began=point_in_time(lives[-1].start) if lives else None,
    )


def _unaccounted(record: JobRecord, unaccounted_for: float) -> AllocationStatus:
    grace = LOST_AFTER if record.queued is None else DOWN_AFTER
    if unaccounted_for <= grace or not is_unaccounted(record):
        return _unknown(record.silence)
    why = "accounting has not answered for minutes"
    if record.queued is not None:
        return _ended_in_queue(record.queued, why)
    return AllocationStatus(
        state=AllocationState.GONE,
        cause=EndCause.LOST,
        detail=f"squeue has not known it for minutes, and {why}: nothing is known of its end",
    )


def _ended_in_queue(row: QueueRow, why: str) -> AllocationStatus:
    """Without accounting, nothing says who canceled it, or its exit code."""
    return AllocationStatus(
        state=AllocationState.GONE,
        cause=_CAUSES[row.state],
        detail=f"Slurm state {row.state}{_place(row.nodes)}; {why}",
        began=point_in_time(row.start) if row.nodes not in _NO_NODES else None,
        ended=point_in_time(row.end),
    )


def _ended(
    queued: QueueRow | None, lives: Sequence[AccountingRow], user_name: Callable[[int], str]
) -> AllocationStatus:
    if not lives:
        return _unknown("accounting has no record of it")
    newest = lives[-1]
    if queued is not None and queued.state != newest.state:
        return _unknown(f"squeue has it as {queued.state}, accounting still as {newest.state}")
    by = newest.canceled_by
    return AllocationStatus(
        state=AllocationState.GONE,
        cause=_CAUSES[newest.state],
        canceled_by=None if by is None else user_name(by),
        detail=_detail(newest),
        # 22.05 gives a job that was canceled while it waited the time of that as its start.
        began=point_in_time(newest.start) if newest.nodes not in _NO_NODES else None,
        ended=point_in_time(newest.end),
    )


def step_ends(
    steps: Iterable[StepRow], user_name: Callable[[int], str] = str
) -> dict[str, StepEnd]:
    """How the steps of one job ended, by their names; those that have not are left out."""
    return {step.name: _step_end(step, user_name) for step in steps if step.state in _CAUSES}


def _step_end(step: StepRow, user_name: Callable[[int], str]) -> StepEnd:
    name = f"{step.number}.{step.step}"
    by = step.canceled_by
    return StepEnd(
        cause=_CAUSES[step.state],
        return_code=_return_code(step.exit_code),
        began=step.start,
        ended=_end_of_step(step),
        id=name,
        canceled_by=None if by is None else user_name(by),
        nodes=() if step.nodes in _NO_NODES else tuple(node_names(step.nodes)),
        detail=f"step {name} {step.state} {step.exit_code}".rstrip(),
    )


def _return_code(exit_code: str) -> int:
    """A shell's, of Slurm's ``code:signal``."""
    code, _, signal = exit_code.partition(":")
    if signal.isdecimal() and int(signal) in range(1, _LAST_SIGNAL + 1):
        return _FIRST_SIGNAL + int(signal)
    return int(code) if code.isdecimal() else 0


def _end_of_step(step: StepRow) -> datetime | None:
    if step.start is None or step.elapsed is None:
        return None
    return step.start + timedelta(seconds=step.elapsed)


def _detail(row: AccountingRow) -> str:
    if row.exit_code == _NO_OUTPUT_FILE:
        return "Slurm could not open its output file or its working directory (exit code 0:53)"
    return f"Slurm state {row.state}{_place(row.nodes)}, exit code {row.exit_code}"


def _place(nodes: str) -> str:
    return "" if nodes in _NO_NODES else f" on {nodes}"


def _unknown(reason: str) -> AllocationStatus:
    return AllocationStatus(state=AllocationState.UNKNOWN, detail=reason)
