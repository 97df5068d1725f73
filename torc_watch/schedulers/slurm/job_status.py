"""What the answers of squeue and sacct mean for one allocation. Pure.

GONE is said by accounting alone, because only accounting knows who canceled a job, and because
squeue forgets a job some minutes after its end, or when its controller crashes.
"""

from collections.abc import Callable, Sequence

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.schedulers.slurm.job_table import AccountingRow

_ALIVE = AllocationStatus(state=AllocationState.ALIVE)
# COMPLETING hides how the job ends, and its processes may still report.
LIVE_STATES = frozenset(
    {
        *("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"),
        *("COMPLETING", "STAGE_OUT", "EXPEDITING", "POWER_UP_NODE"),
        *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
    }
)
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
_NO_OUTPUT_FILE = "0:53"
_NO_NODES = ("", "None assigned")


def status_of(
    queued: str | None, lives: Sequence[AccountingRow], user_name: Callable[[int], str]
) -> AllocationStatus:
    """The status of one allocation.

    ``queued`` is its state in squeue, None where squeue does not know it; ``lives`` are its rows in
    accounting. UNKNOWN says in its ``detail`` what is missing: accounting learns of a job, of its
    end and of its next life some seconds late, and even later after slurmdbd was down.
    """
    if queued in LIVE_STATES:
        return _ALIVE
    if queued is not None and queued not in _CAUSES:
        return _unknown(f"torc-watch does not know the Slurm state {queued}")
    if not lives:
        return _unknown("accounting has no record of it")
    newest = lives[-1]
    if newest.state not in _CAUSES:
        return _unknown(f"accounting has it as {newest.state}, and squeue no longer as alive")
    if queued not in (None, newest.state):
        return _unknown(f"squeue has it as {queued}, accounting still as {newest.state}")
    return _gone(newest, user_name)


def _gone(row: AccountingRow, user_name: Callable[[int], str]) -> AllocationStatus:
    by = row.canceled_by
    return AllocationStatus(
        state=AllocationState.GONE,
        cause=_CAUSES[row.state],
        canceled_by=None if by is None else user_name(by),
        detail=_detail(row),
    )


def _detail(row: AccountingRow) -> str:
    if row.exit_code == _NO_OUTPUT_FILE:
        return "Slurm could not open its output file or its working directory (exit code 0:53)"
    place = "" if row.nodes in _NO_NODES else f" on {row.nodes}"
    return f"Slurm state {row.state}{place}, exit code {row.exit_code}"


def _unknown(reason: str) -> AllocationStatus:
    return AllocationStatus(state=AllocationState.UNKNOWN, detail=reason)
