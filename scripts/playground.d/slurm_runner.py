"""Our runner in an allocation of Slurm, with the command line of Torc's torc-slurm-job-runner."""

import argparse
import os
import sys
from pathlib import Path

import anyio

from torc_watch.core.units import MIB
from torc_watch.sandbox.runner.worker import run_worker
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.transport import Connection


def main() -> int:
    parser = argparse.ArgumentParser(prog="torc-slurm-job-runner", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("workflow_id", type=int)
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("--poll-interval", type=float, default=30)
    given, _ = parser.parse_known_args()
    settings = WorkerSettings(
        connection=Connection(url=given.url),
        workflow_id=given.workflow_id,
        output_dir=given.output_dir,
        num_cpus=int(os.environ["SLURM_CPUS_ON_NODE"]),
        memory=int(os.environ["SLURM_MEM_PER_NODE"]) * MIB,
        poll_interval=given.poll_interval,
        scheduler_id=int(os.environ["SLURM_JOB_ID"]),
        scheduler_type="slurm",
    )
    return anyio.run(run_worker, settings)


if __name__ == "__main__":
    sys.exit(main())
