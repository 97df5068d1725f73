"""Suspect successes, as Torc's runner and Slurm report them."""

import pytest

from tests.rigs.torc_on_slurm import Mode, TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_HOG = "python3 -c 'bytearray(400 * 2**20)'"


@pytest.mark.parametrize("mode", ["direct", "slurm"])
def test_trap_that_ends_a_job_with_its_allocation(torc: TorcOnSlurm, mode: Mode) -> None:
    trap = "trap 'echo saved; exit 0' TERM; sleep 900 & wait"
    jobs = [TorcJob(name="saves", command=trap), TorcJob(name="quick", command="sleep 2")]
    allocations = TorcAllocations(walltime="00:02:00")
    execution = {"sigterm_lead_seconds": 1} if mode == "direct" else None
    workflow_id = torc.run(specification(jobs, allocations, mode=mode, execution=execution))

    printed = TorcWatchd(torc).watch(workflow_id)

    assert torc.results(workflow_id) == [
        ("quick", 1, "completed", 0),
        ("saves", 1, "completed", 0),
    ]
    found = [line for line in printed.splitlines() if "it may have saved only a part" in line]
    assert [line.partition(":")[0] for line in found] == ["  Job 1 (saves)"], printed


def test_process_that_was_killed_in_a_job_that_succeeds(torc: TorcOnSlurm) -> None:
    if torc.cluster.memory_enforcement != "cgroup":
        pytest.skip("without cgroups no job ends as OUT_OF_MEMORY")
    jobs = [TorcJob(name="hides", command=f"{_HOG}; exit 0")]
    execution = {"limit_resources": False}
    allocations = TorcAllocations(mem="250M")
    workflow_id = torc.run(specification(jobs, allocations, execution=execution))

    printed = TorcWatchd(torc).watch(workflow_id)

    assert torc.results(workflow_id) == [("hides", 1, "completed", 0)]
    assert "in which no other job completed, ran out of memory" in printed
