"""What Torc's own watch makes of the workflows that our tests recover.

docs/compare-torc-watch.md has the results. They do not depend on the release of Slurm.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.rigs import commands, slurm_workflows
from tests.rigs.slurm_release import is_own
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SUCCESS = "✓ Workflow completed successfully"


@pytest.fixture(autouse=True)
def _one_release(torc: TorcOnSlurm) -> None:
    if not is_own(torc.cluster.site.release.name):
        pytest.skip("Torc is compared on the machine's own release of Slurm")


@dataclass(frozen=True, slots=True)
class Watched:
    """How Torc's watch ended."""

    status: int
    output: str


def watched(torc: TorcOnSlurm, workflow_id: int, *options: str) -> Watched:
    words = ("watch", workflow_id, "--recover", "-m", "3", "-p", "1", "-o", torc.output_folder)
    done = commands.run(
        [torc.programs / "torc", *map(str, words), *options], torc.folder, torc.environment
    )
    return Watched(done.returncode, done.stdout + done.stderr)


def test_tutorial(torc: TorcOnSlurm) -> None:
    """Recovered elsewhere: in the default partition and QOS, with one CPU."""
    workflow_id = slurm_workflows.tutorial(torc, runtime="PT5M")

    found = watched(torc, workflow_id)

    assert (found.status, SUCCESS in found.output) == (0, True)
    assert set(torc.statuses(workflow_id).values()) == {"completed"}
    assert slurm_workflows.slurm_jobs(torc, workflow_id, "%a %P %q %y %C") == [
        "project debug limited 7 4",
        "project standard normal 0 1",
    ]
    requirements = torc.rows("/resource_requirements", workflow_id)
    assert [row["memory"] for row in requirements if row["name"] != "default"] == ["150m"]


def test_allocation_that_was_canceled_while_it_was_queued(torc: TorcOnSlurm) -> None:
    workflow_id = slurm_workflows.canceled_while_pending(torc)

    found = watched(torc, workflow_id)

    assert (found.status, f"{SUCCESS} (0 jobs)" in found.output) == (0, True)
    assert torc.statuses(workflow_id) == {"first": "ready", "second": "blocked"}


def test_allocation_that_a_runner_canceled(torc: TorcOnSlurm) -> None:
    workflow_id = slurm_workflows.canceled_by_a_runner(torc)

    found = watched(torc, workflow_id)

    assert (found.status, "designed for scheduler-based" in found.output) == (1, True)
    assert torc.statuses(workflow_id) == {"first": "pending_failed", "second": "blocked"}


@pytest.mark.parametrize("partition", [None, "short"])
def test_job_that_is_too_long_for_its_allocation(torc: TorcOnSlurm, partition: str | None) -> None:
    workflow_id = slurm_workflows.with_too_long_a_job(torc, partition)

    found = watched(torc, workflow_id)

    assert (found.status, f"{SUCCESS} (0 jobs)" in found.output) == (0, True)
    assert torc.statuses(workflow_id) == {"long": "ready"}


def test_rows_and_actions_of_a_workflow(torc: TorcOnSlurm) -> None:
    """All of them share one allocation, in the default partition."""
    workflow_id = slurm_workflows.on_three_partitions(torc, runtime="PT2M")

    found = watched(torc, workflow_id, "--retry-unknown")

    assert (found.status, SUCCESS in found.output) == (0, True)
    assert set(torc.statuses(workflow_id).values()) == {"completed"}
    partitions = slurm_workflows.slurm_jobs(torc, workflow_id, "%P")
    assert sorted(partitions) == ["debug", "short", "standard"]


def test_torc_run_by_hand(torc: TorcOnSlurm) -> None:
    job = TorcJob(name="a", command="sleep 30")
    workflow_id = torc.create_from(specification([job], TorcAllocations(number=0)))
    program = str(torc.programs / "torc")
    words = [program, "run", str(workflow_id), "--output-dir", str(torc.output_folder)]
    with subprocess.Popen(
        words, env=torc.environment, cwd=torc.folder, stdout=subprocess.DEVNULL
    ) as worker:
        torc.wait_for_statuses(workflow_id, among={"running"})
        found = watched(torc, workflow_id)
        worker.kill()

    assert (found.status, "designed for scheduler-based" in found.output) == (1, True)


def canceled(torc: TorcOnSlurm, number: int) -> None:
    torc.cluster.run("scancel", str(number))


def preempted(torc: TorcOnSlurm, _number: int) -> None:
    torc.cluster.submit("sleep 3", "--exclusive", "--nodes=3", "--time=1")


def out_of_time(torc: TorcOnSlurm, number: int) -> None:
    torc.cluster.run("scontrol", "update", f"jobid={number}", "endtime=now+5")


@pytest.mark.parametrize("end", [canceled, preempted, out_of_time])
def test_end_of_an_allocation(torc: TorcOnSlurm, end: Callable[[TorcOnSlurm, int], None]) -> None:
    """It does not ask Slurm for the cause."""
    job = TorcJob(name="a", command="sleep 100")
    place = TorcAllocations(partition="preemptible")
    workflow_id = torc.run(specification([job], place))
    torc.wait_for_statuses(workflow_id, among={"running"})
    [number] = torc.allocations(workflow_id)
    end(torc, number)

    found = watched(torc, workflow_id)

    assert found.status == 1
    assert "1 job(s) failed with unknown causes" in found.output
    assert torc.results(workflow_id) == [("a", 1, "failed", -128)]


def test_requeued_allocation(torc: TorcOnSlurm) -> None:
    job = TorcJob(name="a", command="sleep 100")
    place = TorcAllocations(extra="--cpus-per-task=4 --requeue")
    workflow_id = torc.run(specification([job], place))
    torc.wait_for_statuses(workflow_id, among={"running"})
    [number] = torc.allocations(workflow_id)
    torc.cluster.run("scontrol", "requeue", str(number))
    torc.cluster.wait_for_queue_state(number, "PENDING")
    torc.cluster.run("scontrol", "update", f"jobid={number}", "starttime=now")

    found = watched(torc, workflow_id)

    assert (found.status, SUCCESS in found.output) == (0, True), found.output
    assert torc.statuses(workflow_id) == {"a": "running"}
