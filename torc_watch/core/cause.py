"""Why a job failed, in one word, and what is done about it."""

from enum import StrEnum


class Cause(StrEnum):
    """The journal keeps the values."""

    OOM = "oom"
    GPU_OOM = "gpu_oom"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"  # its worker or allocation ended first: not the job's fault
    NODE = "node"
    PREEMPTED = "preempted"
    SCHEDULER = "scheduler"  # Slurm did not answer
    REJECTED = "rejected"  # Slurm refused a step of it
    FILE_SYSTEM_FULL = "file_system_full"
    FILE_SYSTEM = "file_system"  # unwell for a time
    NETWORK = "network"
    LICENSE = "license"
    MPI = "mpi"
    GPU = "gpu"  # its hardware
    LIMIT = "limit"  # of the system or the program, which more memory or time does not move
    ENVIRONMENT = "environment"
    INPUT = "input"
    CODE = "code"
    CANCELED = "canceled"  # a user ended it
    SUSPECT = "suspect"  # it succeeded, but something speaks against that
    UNKNOWN = "unknown"

    @property
    def is_interruption(self) -> bool:
        """Whether something ended the job that neither it nor its request is to blame for."""
        return self in _INTERRUPTIONS

    @property
    def is_of_the_place(self) -> bool:
        """Whether the same job may well succeed on another node, or at another time."""
        return self.is_interruption or self is Cause.GPU


class Remedy(StrEnum):
    RAISE_MEMORY = "raise_memory"
    RAISE_RUNTIME = "raise_runtime"
    RETRY = "retry"  # unchanged, as often as rounds are allowed
    RETRY_LATER = "retry_later"  # what ails it may pass, but not at once
    AWAIT_ROOM = "await_room"  # when files can be written again
    RETRY_TWICE = "retry_twice"  # what ails it may pass
    RETRY_ONCE = "retry_once"  # to be sure that it was no accident of its node
    HAND_OVER = "hand_over"
    LEAVE_ALONE = "leave_alone"  # a user wants it so


_INTERRUPTIONS = frozenset({Cause.INTERRUPTED, Cause.NODE, Cause.PREEMPTED, Cause.SCHEDULER})

REMEDIES = {
    Cause.OOM: Remedy.RAISE_MEMORY,
    Cause.GPU_OOM: Remedy.HAND_OVER,
    Cause.TIMEOUT: Remedy.RAISE_RUNTIME,
    Cause.INTERRUPTED: Remedy.RETRY,
    Cause.NODE: Remedy.RETRY,
    Cause.PREEMPTED: Remedy.RETRY,
    Cause.SCHEDULER: Remedy.RETRY,
    Cause.REJECTED: Remedy.HAND_OVER,
    Cause.FILE_SYSTEM_FULL: Remedy.AWAIT_ROOM,
    Cause.FILE_SYSTEM: Remedy.RETRY_LATER,
    Cause.NETWORK: Remedy.RETRY_LATER,
    Cause.LICENSE: Remedy.RETRY_LATER,
    Cause.MPI: Remedy.RETRY_ONCE,
    Cause.GPU: Remedy.RETRY_TWICE,
    Cause.LIMIT: Remedy.HAND_OVER,
    Cause.ENVIRONMENT: Remedy.RETRY_ONCE,
    Cause.INPUT: Remedy.RETRY_ONCE,
    Cause.CODE: Remedy.RETRY_ONCE,
    Cause.CANCELED: Remedy.LEAVE_ALONE,
    Cause.SUSPECT: Remedy.RETRY_ONCE,
    Cause.UNKNOWN: Remedy.RETRY,
}
