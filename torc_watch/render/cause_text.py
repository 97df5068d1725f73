"""Causes of failures in words."""

from torc_watch.core.cause import Cause

_TEXTS = {
    Cause.UNKNOWN: "unknown failure",
    Cause.OOM: "out of memory",
    Cause.GPU_OOM: "out of GPU memory",
    Cause.TIMEOUT: "out of time",
    Cause.NODE: "its node failed",
    Cause.SCHEDULER: "Slurm did not answer",
    Cause.REJECTED: "refused by Slurm",
    Cause.FILE_SYSTEM_FULL: "file system full",
    Cause.FILE_SYSTEM: "file system unwell",
    Cause.GPU: "GPU failed",
    Cause.MPI: "MPI failed",
    Cause.LIMIT: "limit of the system",
    Cause.CODE: "error of the program",
    Cause.SUSPECT: "suspect success",
}


def cause_text(cause: Cause) -> str:
    """A few words, such as ``out of memory``."""
    return _TEXTS.get(cause, cause.value)
