"""Why jobs failed, with what the real Slurm, its steps and the kernel say of them."""

import json
from typing import Any

import pytest

from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_HOG = "python3 -c 'bytearray(400 * 2**20)'"


def _failures(torc: TorcOnSlurm, workflow_id: int) -> dict[str, dict[str, Any]]:
    """What `why` says of each job, by the job's name."""
    groups = json.loads(TorcWatchd(torc).run("why", workflow_id, "--json"))["failures"]
    return {job["job_name"]: group | job for group in groups for job in group["jobs"]}


def _cancel_step(torc: TorcOnSlurm, number: int, name: str) -> None:
    def find() -> list[str]:
        listed = torc.cluster.run("squeue", "--steps", "-h", "-j", str(number), "-o", "%i|%j")
        return [line.partition("|")[0] for line in listed.splitlines() if f"|{name}" in line]

    wait_until(lambda: bool(find()), f"step {name}", 30)
    torc.cluster.run("scancel", *find())


def _sources(failure: dict[str, Any]) -> set[str]:
    return {fact["source"] for fact in failure["facts"]}


def _require_cgroups(torc: TorcOnSlurm) -> None:
    if torc.cluster.memory_enforcement != "cgroup":
        pytest.skip("without cgroups no step ends as OUT_OF_MEMORY")


def test_steps_say_why_jobs_failed(torc: TorcOnSlurm) -> None:
    _require_cgroups(torc)
    jobs = [
        TorcJob(name="by-hand", command="kill -9 $$"),
        TorcJob(name="code", command="exit 3"),
        TorcJob(name="hog", command=f"{_HOG}; exit 3"),
        TorcJob(name="canceled", command="sleep 600", runtime="PT3M"),
    ]
    workflow_id = torc.run(specification(jobs, TorcAllocations(), mode="slurm"))
    torc.wait_for_statuses(workflow_id, "canceled", among={"running"})
    [number] = torc.allocations(workflow_id)
    job_id = torc.jobs(workflow_id)["canceled"]["id"]
    _cancel_step(torc, number, f"wf{workflow_id}_j{job_id}_r1_a1")
    torc.wait_for_statuses(workflow_id)

    found = _failures(torc, workflow_id)

    assert {name: (each["cause"], each["confidence"]) for name, each in found.items()} == {
        "by-hand": ("unknown", "guess"),
        "code": ("unknown", "guess"),
        "hog": ("oom", "proven"),
        "canceled": ("canceled", "proven"),
    }
    assert {row["return_code"] for row in torc.rows("/results", workflow_id)} == {137, 3}
    assert "Slurm saw no lack of memory" in found["by-hand"]["reason"]
    assert {"slurm step", "slurmstepd"} <= _sources(found["hog"])
    assert {each["node"] for each in found.values()} <= set(torc.cluster.site.nodes)


def test_kernel_says_which_job_it_killed(torc: TorcOnSlurm) -> None:
    """In direct mode all jobs are in one step."""
    _require_cgroups(torc)
    jobs = [
        TorcJob(name="hog", command=f"exec {_HOG}", memory="50m"),
        TorcJob(name="code", command="exit 3", memory="50m"),
    ]
    workflow_id = torc.run(
        specification(jobs, TorcAllocations(mem="200M"), execution={"limit_resources": False})
    )
    torc.wait_for_statuses(workflow_id)
    torc.wait_for_allocations(workflow_id, "complete")

    found = _failures(torc, workflow_id)

    assert (found["hog"]["cause"], found["hog"]["confidence"]) == ("oom", "proven")
    assert "kernel" in _sources(found["hog"])
    assert found["code"]["cause"] == "unknown"
