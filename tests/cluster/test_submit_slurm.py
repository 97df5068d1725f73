"""`submit-slurm`, `slurm plan` and `slurm regenerate` with the real Torc 1.0 on a real cluster."""

import json
from typing import Any

import pytest

from tests.rigs.slurm_workflows import slurm_jobs
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SMALL = {"name": "small", "num_cpus": 1, "memory": "100m", "runtime": "PT1M"}
HALF = {"name": "half", "num_cpus": 2, "memory": "200m", "runtime": "PT1M"}


@pytest.fixture
def watchd(torc: TorcOnSlurm) -> TorcWatchd:
    return TorcWatchd(torc)


def layers(**later: Any) -> dict[str, Any]:
    """Three jobs, then four; runners poll every 30 seconds, and wait for as long."""
    first = [
        {"name": f"prepare_{number}", "command": "true", "resource_requirements": "small"}
        for number in range(3)
    ]
    names = [job["name"] for job in first]
    second = [
        {
            "name": f"train_{number}",
            "command": "true",
            "resource_requirements": "half",
            "depends_on": names,
        }
        for number in range(4)
    ]
    return {
        "name": "layers",
        "resource_requirements": [SMALL, HALF | later],
        "jobs": [*first, *second],
        "compute_node_wait_for_new_jobs_seconds": 35,
    }


def write(torc: TorcOnSlurm, workflow: dict[str, Any]) -> str:
    path = torc.folder / "workflow.yaml"
    path.write_text(json.dumps(workflow))  # which is YAML too
    return str(path)


def test_submit_slurm_and_watch(watchd: TorcWatchd) -> None:
    torc = watchd.torc
    path = write(torc, layers())
    printed = watchd.run("submit-slurm", "--account", "project", path).splitlines()

    assert printed == [
        "Created workflow 1 with 7 jobs",
        "Submitted to Slurm with 1 allocation",
    ]
    assert "Workflow completed successfully (7 jobs)" in watchd.watch(1)
    assert set(torc.statuses(1).values()) == {"completed"}
    for line in slurm_jobs(torc, 1, "%a %P %C"):
        account, partition, cpus = line.split()
        assert (account, bool(partition), int(cpus) >= 2) == ("project", True, True)
    rows = torc.rows("/slurm_schedulers", 1)
    assert all(row["partition"] and row["account"] == "project" for row in rows)


def test_dry_run_changes_nothing(watchd: TorcWatchd) -> None:
    torc = watchd.torc
    path = write(torc, layers())
    found = watchd.run("submit-slurm", "--account", "project", path, "--dry-run")

    assert "GROUP" in found
    assert found.endswith("Nothing was changed.\n")
    assert torc.ask("GET", "/workflows")["items"] == []
    assert torc.cluster.run("squeue", "--noheader") == ""
    assert not torc.output_folder.exists()
    groups = json.loads(watchd.run("slurm", "plan", path, "--account", "project", "--json"))
    assert groups["groups"][0]["expected_start"]


def test_too_large_a_job(watchd: TorcWatchd) -> None:
    torc = watchd.torc
    path = write(torc, layers(memory="300g"))
    watchd.run("submit-slurm", "--account", "project", path, status=2)

    assert torc.ask("GET", "/workflows")["items"] == []
    assert torc.cluster.run("squeue", "--noheader") == ""


def test_regenerate_after_the_allocations_were_canceled(watchd: TorcWatchd) -> None:
    torc = watchd.torc
    path = write(torc, layers())
    options = ("--exclusive", "--nodes=3", "--time=20", "--partition=standard")
    torc.cluster.wait_for_queue_state(torc.cluster.submit("sleep 600", *options), "RUNNING")
    watchd.run("submit-slurm", "--account", "project", "--partition", "standard", path)
    again = json.loads(watchd.run("slurm", "regenerate", 1, "--submit", "--json"))
    assert again["allocations"] == [], again

    torc.cluster.cancel_all()
    watchd.run("slurm", "regenerate", 1, "--submit")
    torc.wait_for_statuses(1)
    assert set(torc.statuses(1).values()) == {"completed"}


def test_torc_submits_what_was_regenerated(watchd: TorcWatchd) -> None:
    torc = watchd.torc
    job = TorcJob(name="a", command="true")
    workflow_id = torc.create_from(specification([job], TorcAllocations(number=0, qos="limited")))
    torc.torc("workflows", "init", workflow_id, "--no-prompts")
    watchd.run("slurm", "regenerate", workflow_id, "--partition", "short")
    assert torc.allocations(workflow_id) == {}

    torc.submit(workflow_id)
    torc.wait_for_statuses(workflow_id, among={"completed"})
    assert slurm_jobs(torc, workflow_id, "%a %P %q %C") == ["science short limited 1"]


def test_watched_by_the_daemon_from_the_start(watchd: TorcWatchd) -> None:
    """One job is killed for its memory, and gets more in an allocation under the planned row."""
    torc = watchd.torc
    if torc.cluster.memory_enforcement != "cgroup":
        pytest.skip("without cgroups no job ends as OUT_OF_MEMORY")
    hog = "exec python3 -c 'data = b\"x\" * (115 << 20)'"
    jobs = [
        {"name": name, "command": command, "resource_requirements": "small"}
        for name, command in {"a": "true", "b": hog, "c": "true"}.items()
    ]
    workflow = layers() | {"jobs": jobs, "execution_config": {"mode": "slurm"}}
    path = write(torc, workflow | {"compute_node_wait_for_new_jobs_seconds": 5})
    with watchd.daemon():
        printed = watchd.run("submit-slurm", "--account", "project", path, "--watch")
        torc.wait_for_statuses(1, among={"completed"})

    assert "Workflow 1 added" in printed
    assert [name for name, run, _, code in torc.results(1) if code == 137] == ["b"]
    first, second = slurm_jobs(torc, 1, "%a %P %C")
    assert second.split()[:2] == first.split()[:2]
