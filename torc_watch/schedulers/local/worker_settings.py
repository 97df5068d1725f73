"""What a worker is told when it is started."""

from dataclasses import dataclass
from pathlib import Path

from torc_watch.torc.transport import Connection

# How a worker gets the password: in no file, in no command line, and in no job's environment.
PASSWORD_VARIABLE = "TORC_PASSWORD"  # noqa: S105 - its name
NEWS_VARIABLE = "TORC_WATCHD_NOTIFY"  # the daemon's own: its URLs are secret


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """``memory`` in bytes, times in seconds. Without ``scheduler_id`` there is no allocation.

    With ``torc_program`` it is Torc's own runner that claims and runs jobs.
    ``ends_at`` is when the allocation's time is over, in seconds since the epoch, None without a
    limit. ``wait_for_new_jobs`` is how long to stay with nothing to do, ``wait_for_allocation``
    how long the allocation's record may take to appear on the server.
    """

    connection: Connection
    workflow_id: int
    output_dir: Path
    num_cpus: int
    memory: int
    num_gpus: int = 0
    max_parallel_jobs: int | None = None
    poll_interval: float = 1.0
    wait_for_new_jobs: float = 90.0
    wait_for_allocation: float = 300.0
    scheduler_id: int | None = None
    scheduler_type: str = "local"
    ends_at: float | None = None
    torc_program: Path | None = None
