"""What Slurm says of the end of a job that Torc ran as a step."""

from torc_watch.core import units
from torc_watch.core.allocation import EndCause, StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.conclusion import Conclusion, guess, proven

_KILLED = 137  # 128 + SIGKILL


def detail_of(step: StepEnd) -> str:
    """In parentheses, after a phrase; empty where there is none."""
    return f" ({step.detail})" if step.detail else ""


def said_by_step(step: StepEnd | None, *, runtime: int | None, share: float) -> Conclusion | None:
    """What Slurm says of it, other than that it lacked memory, failed, or was canceled.

    A job that had this ``share`` of the ``runtime`` (seconds) that it requested needs more.
    """
    if step is None:
        return None
    if step.cause is EndCause.TIME_LIMIT:
        return _end_of_allocation(step, runtime, share)
    if step.cause is EndCause.NODE_FAILURE:
        return proven(Cause.NODE, f"Slurm lost its node{detail_of(step)}")
    if step.cause is EndCause.PREEMPTED:
        return proven(Cause.PREEMPTED, f"Slurm preempted its step{detail_of(step)}")
    return None


def _end_of_allocation(step: StepEnd, runtime: int | None, share: float) -> Conclusion:
    """The time limit that Torc gives a step is what its allocation has left."""
    ran = step.seconds
    if runtime is None or ran is None or ran < share * runtime:
        reason = f"Slurm ended it at the end of its allocation{detail_of(step)}"
        return proven(Cause.INTERRUPTED, reason)
    had = f"{units.duration_text(ran)} of its {units.duration_text(runtime)}"
    return proven(Cause.TIMEOUT, f"its step ran out of time after {had}{detail_of(step)}")


def contradicted_by_step(return_code: int, step: StepEnd | None) -> Conclusion | None:
    """What Torc reports and Slurm did not see: each step whose memory is limited says so."""
    if step is None:
        return None
    if return_code == _KILLED:
        phrase = f"killed ({_KILLED})"
        return guess(f"{phrase}, but Slurm saw no lack of memory{detail_of(step)}")
    return None
