"""Failures of which nothing tells but what is not there: room for a word, or an output file."""

from collections.abc import Sequence

from torc_watch.core.allocation import StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.conclusion import Conclusion, likely
from torc_watch.core.return_code import exit_phrase
from torc_watch.core.step_end import detail_of

MISSING_OUTPUT = 1  # Torc's return code for a job that ended with 0, but without a declared output


def without_room(return_code: int, folder: str | None) -> Conclusion | None:
    """Nothing can be written into the ``folder`` in which its output files are, all empty."""
    if folder is None:
        return None
    reason = f"{exit_phrase(return_code)}; it could write nothing: {folder} has no room"
    return likely(Cause.FILE_SYSTEM_FULL, reason)


def without_output(
    return_code: int, missing: Sequence[str], step: StepEnd | None
) -> Conclusion | None:
    """Where Slurm saw its step succeed, that alone says that an output file is missing."""
    has_succeeded = step is not None and step.cause is None
    if return_code != MISSING_OUTPUT or not (missing or has_succeeded):
        return None
    others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    what = f"its output {missing[0]}{others}" if missing else "an output file that it declares"
    seen = f": its step succeeded{detail_of(step)}" if step and has_succeeded else ""
    return likely(Cause.INPUT, f"it ended without {what}{seen}")
