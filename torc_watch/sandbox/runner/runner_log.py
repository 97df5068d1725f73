"""The runner's log: JSON lines in a file with the name that Torc's runner uses."""

import os
from contextlib import suppress
from pathlib import Path

import structlog
from structlog.typing import FilteringBoundLogger

_STDERR = 2


class _LineWriter:
    """Appends whole lines, so that several workers can share the file; survives a full disk.

    Lines that cannot be written go to standard error.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def msg(self, line: str) -> None:
        for descriptor in (self._descriptor, _STDERR):
            with suppress(OSError):
                os.write(descriptor, line.encode() + b"\n")
                return

    debug = info = warning = error = msg


def log_file(output_dir: Path, hostname: str, workflow_id: int, run_id: int) -> Path:
    return output_dir / f"job_runner_{hostname}_wf{workflow_id}_r{run_id}.log"


def open_log(path: Path) -> FilteringBoundLogger:
    """Raises OSError if the file cannot be created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    return log_to(descriptor)


def log_to(descriptor: int) -> FilteringBoundLogger:
    logger: FilteringBoundLogger = structlog.wrap_logger(
        _LineWriter(descriptor),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return logger.bind(pid=os.getpid())
