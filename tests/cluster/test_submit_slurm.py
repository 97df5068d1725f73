"""`submit-slurm`, `slurm plan` and `slurm regenerate` with the real Torc 1.0 on a real cluster."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.slurm_workflows import slurm_jobs
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TUTORIAL = Path(__file__).parents[2] / "examples/tutorial.yaml"
TUTORIAL_LINES = (
    "Watching workflow 1 (poll interval: 2s, auto-recover enabled, max retries: 3, job counts",
    "completed=95, running=0, pending=0, failed=5, blocked=0",
    "Workflow completed with failures:\n  - Failed: 5\n",
    "Attempting automatic recovery (attempt 1/3)",
    "Applied fixes: 5 OOM, 0 timeout",
    "Regenerating Slurm schedulers and submitting...",
    "Recovery initiated. Resuming monitoring...",
    "✓ Workflow completed successfully (100 jobs)",
)
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


def test_tutorial_as_it_is_typed(watchd: TorcWatchd) -> None:
    """Torc's runner kills five of a hundred jobs for their memory."""
    torc = watchd.torc
    # Runners look for jobs every third of this; those that a runner submits, as Torc is configured.
    wait = "compute_node_wait_for_new_jobs_seconds: 9"
    (torc.folder / "workflow.yaml").write_text(f"{TUTORIAL.read_text()}\n{wait}\n")
    (torc.folder / "torc.toml").write_text("[client.slurm]\npoll_interval = 3\n")

    printed = watchd.run("submit-slurm", "--account", "project", "workflow.yaml")
    found = watchd.watch(1, "--max-retries", "3", "--show-job-counts", "--policy", "fixed")

    created = r"Created workflow 1 with 100 jobs\nSubmitted to Slurm with \d+ allocations\n"
    assert re.fullmatch(created, printed)
    assert re.findall(r"Job \d+ \((\w+)\): OOM detected, increasing memory 64m ->", found) == [
        f"train_model_{number}" for number in (7, 12, 23, 31, 45)
    ]
    at = [found.index(line) for line in TUTORIAL_LINES]
    assert at == sorted(at)
    assert set(torc.statuses(1).values()) == {"completed"}


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
    with watchd.running("submit-slurm", "--account", "project", path) as command:
        assert command.end() == 2

    needs = "Job train_0 needs 300g; the largest node that you may use has 15.6g (bigmem). The same"
    assert command.printed[0].startswith(needs)
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
        assert watchd.wait_for_verdicts(1) == {1: "succeeded"}

    assert re.search("Workflow 1 (will be )?added", printed)
    assert [name for name, run, _, code in torc.results(1) if code == 137] == ["b"]
    first, second = slurm_jobs(torc, 1, "%a %P %C")
    assert second.split()[:2] == first.split()[:2]
