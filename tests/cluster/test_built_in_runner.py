"""Allocations that our own runner serves, on a cluster where Torc's is not installed on the nodes.

The workflow was submitted by Torc, with Torc's runner: a site may have removed it since.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

# 120 MiB, with what the interpreter needs itself, are more than 100 and less than 150.
_HOG = "python3 -c 'memory = bytearray(120 * 2**20); import time; time.sleep(1)'"


def watch(torc: TorcOnSlurm, workflow_id: int, *options: str) -> subprocess.Popen[str]:
    words = ("watch", str(workflow_id), "--auto-recover", "--poll-interval", "1", *options)
    place = ("--output-dir", str(torc.output_folder))
    return subprocess.Popen(
        [sys.executable, "-m", "torc_watch", *words, *place],
        env=torc.environment
        | torc.cluster.environment  # without Torc's programs
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "TORC_WATCHD_SLURM_QUERY_INTERVAL": "1"},
        cwd=torc.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_job_with_more_memory_is_run_by_our_runner(torc: TorcOnSlurm) -> None:
    jobs = [TorcJob(name="small", command="true"), TorcJob(name="large", command=_HOG)]
    workflow_id = torc.run(specification(jobs, TorcAllocations(), mode="slurm"))

    with watch(torc, workflow_id) as watching:
        output, _ = watching.communicate(timeout=120)

    assert watching.returncode == 0, output
    assert "Job 2 (large): OOM detected, increasing memory 100m -> 150m" in output
    assert torc.results(workflow_id) == [
        ("large", 1, "failed", 137),
        ("large", 2, "completed", 0),
        ("small", 1, "completed", 0),
    ]
    [script] = torc.output_folder.glob(f"tw{workflow_id}-*.sh")
    assert "torc_watch.sandbox.runner.slurm_worker" in script.read_text()


def test_runner_reports_its_jobs_when_its_allocation_is_canceled(torc: TorcOnSlurm) -> None:
    """The owner canceled it, so the workflow is handed over; the job is not left running."""
    jobs = [TorcJob(name="long", command="test -e second || { touch second; exit 1; }; sleep 600")]
    workflow_id = torc.run(specification(jobs, TorcAllocations(), mode="slurm"))

    with watch(torc, workflow_id) as watching:
        wait_until(lambda: len(torc.allocations(workflow_id)) == 2, "the second allocation", 90)
        torc.wait_for_statuses(workflow_id, "long", among={"running"})
        torc.cluster.run("scancel", str(max(torc.allocations(workflow_id))))
        output, _ = watching.communicate(timeout=120)

    assert torc.results(workflow_id)[-1] == ("long", 2, "terminated", 143)
    assert watching.returncode not in (0, None), output
    assert "canceled" in output
