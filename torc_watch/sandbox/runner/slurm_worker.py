"""The worker of a Slurm allocation, where Torc's own runner is not there.

``python -m torc_watch.sandbox.runner.slurm_worker URL WORKFLOW OUTPUT_DIR --poll-interval SECONDS``
takes the arguments of Torc's runner. What it may use it learns from Slurm.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import anyio

from torc_watch.host.unused_modules import hide_unused_modules

hide_unused_modules()  # before the imports that follow, each of which loads httpx or structlog

from torc_watch.core.units import MIB  # noqa: E402
from torc_watch.host.subprocesses import run_command  # noqa: E402
from torc_watch.sandbox.runner.worker import run_worker  # noqa: E402
from torc_watch.schedulers.local.worker_settings import (  # noqa: E402
    PASSWORD_VARIABLE,
    WorkerSettings,
)
from torc_watch.torc.transport import Connection  # noqa: E402


def worker_settings(
    arguments: Sequence[str], environment: Mapping[str, str], ends_at: float | None
) -> WorkerSettings:
    """``ends_at`` is when the allocation's time is over, in seconds since the epoch.

    Raises KeyError outside of an allocation.
    """
    given = _parser().parse_args(arguments)
    password = environment.get(PASSWORD_VARIABLE)
    user = environment.get("TORC_USERNAME") or environment.get("USER")
    return WorkerSettings(
        connection=Connection(
            url=given.url,
            username=user if password is not None else None,
            password=password,
            ca_file=given.tls_ca_cert,
            verify_tls=not given.tls_insecure,
        ),
        workflow_id=given.workflow_id,
        output_dir=given.output_dir,
        num_cpus=int(environment["SLURM_CPUS_ON_NODE"]),
        memory=_memory(environment),
        num_gpus=len(list(filter(None, environment.get("SLURM_JOB_GPUS", "").split(",")))),
        poll_interval=given.poll_interval,
        scheduler_id=int(environment["SLURM_JOB_ID"]),
        scheduler_type="slurm",
        ends_at=ends_at,
    )


def _memory(environment: Mapping[str, str]) -> int:
    """Bytes on this node; all that it has for an allocation of whole nodes."""
    if mebibytes := int(environment.get("SLURM_MEM_PER_NODE", 0)):
        return mebibytes * MIB
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slurm_worker")
    parser.add_argument("url")
    parser.add_argument("workflow_id", type=int)
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("--poll-interval", type=float, default=30.0)
    parser.add_argument("--tls-ca-cert", type=Path)
    parser.add_argument("--tls-insecure", action="store_true")
    return parser


async def _end_of_allocation(number: str) -> float | None:
    """None where Slurm does not say; then jobs are claimed without regard to the time left."""
    asked = await run_command("squeue", "--noheader", f"--jobs={number}", "--format=%e")
    try:
        return datetime.fromisoformat(asked.stdout).timestamp()
    except ValueError:
        return None


async def _main(arguments: Sequence[str]) -> int:
    ends_at = await _end_of_allocation(os.environ["SLURM_JOB_ID"])
    return await run_worker(worker_settings(arguments, os.environ, ends_at))


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if ignored, the ends of jobs would be hidden
    sys.exit(anyio.run(_main, sys.argv[1:]))
