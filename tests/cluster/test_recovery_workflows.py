"""Workflows as users have them, run by the real Torc on the cluster and recovered by our commands.

What Torc's own recovery makes of the same workflows is in docs/compare-torc-watch.md.
"""

from collections import Counter

import pytest

from tests.rigs import slurm_workflows
from tests.rigs.commands import wait_for_polls
from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def ours(torc: TorcOnSlurm) -> TorcWatchd:
    torc.folder.chmod(0o755)
    return TorcWatchd(torc)


def runs(torc: TorcOnSlurm, workflow_id: int) -> dict[str, list[int]]:
    """The runs in which each job has a result."""
    found: dict[str, list[int]] = {}
    for name, run_id, _, _ in torc.results(workflow_id):
        found.setdefault(name, []).append(run_id)
    return found


def test_tutorial(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """Only the jobs that Slurm killed are raised and run again, where the first ones ran."""
    workflow_id = slurm_workflows.tutorial(torc)

    with ours.daemon():
        ours.run("add", workflow_id, "--auto-recover", "--no-in-place")
        assert ours.wait_for_verdicts(workflow_id) == {workflow_id: "succeeded"}

    assert set(torc.statuses(workflow_id).values()) == {"completed"}
    again = {name: found for name, found in runs(torc, workflow_id).items() if found != [1]}
    assert again == {"train_3": [1, 2], "train_7": [1, 2]}
    assert (
        slurm_workflows.slurm_jobs(torc, workflow_id, "%a %P %q %y %C")
        == ["project debug limited 7 4"] * 2
    )


def test_workflows_that_nothing_runs(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """Torc's watch calls each of them complete, or waits for ever."""
    canceled = slurm_workflows.canceled_while_pending(torc)
    unneeded = slurm_workflows.canceled_by_a_runner(torc)
    longer = slurm_workflows.with_too_long_a_job(torc)
    moved = slurm_workflows.with_too_long_a_job(torc, "short")
    longest = slurm_workflows.with_too_long_a_job(torc, "short", runtime="PT48H")
    for workflow_id in (longer, moved, longest):
        torc.wait_for_allocations(workflow_id, "complete")

    with ours.daemon():
        ours.run("add", canceled, unneeded, longer, moved, longest, "--auto-recover")
        verdicts = ours.wait_for_verdicts(canceled, unneeded, longer, moved, longest)
        reason = ours.listed()[longest]["reason"]

    assert verdicts == {
        canceled: "succeeded",
        unneeded: "succeeded",
        longer: "succeeded",
        moved: "succeeded",
        longest: "handed_over",
    }
    assert sorted(torc.allocations(unneeded).values()) == ["canceled", "complete", "complete"]
    assert slurm_workflows.slurm_jobs(torc, longer, "%P %l") == ["standard 4:00", "standard 13:00"]
    assert slurm_workflows.slurm_jobs(torc, moved, "%P %l") == ["short 4:00", "standard 13:00"]
    assert "P2D of run time, and a node of partition standard gives at most P1D" in reason
    assert slurm_workflows.slurm_jobs(torc, longest, "%P %l") == ["short 4:00"]


def test_job_that_no_allocation_takes(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """It gets an allocation while another job still runs in one that is too small for it."""
    jobs = [
        TorcJob(name="long", command="while [ ! -e go ]; do sleep 0.1; done"),
        TorcJob(name="large", command="true", memory="3000m"),
    ]
    small = TorcAllocations(mem="1000M", walltime="00:10:00")
    workflow_id = torc.create_from(specification(jobs, small), "--skip-checks")
    torc.submit(workflow_id)

    with ours.daemon(unserved_grace=10.0):
        ours.run("add", workflow_id, "--auto-recover")
        wait_until(lambda: torc.statuses(workflow_id)["large"] == "completed", "the large job", 120)
        assert torc.statuses(workflow_id)["long"] == "running"
        (torc.folder / "go").touch()
        assert ours.wait_for_verdicts(workflow_id) == {workflow_id: "succeeded"}

    assert slurm_workflows.slurm_jobs(torc, workflow_id, "%m") == ["1000M", "3000M"]
    assert runs(torc, workflow_id) == {"long": [1], "large": [1]}


def test_rows_and_actions_of_a_workflow(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """Jobs are recovered under the rows that they are tied to, a later layer by its action."""
    workflow_id = slurm_workflows.on_three_partitions(torc)

    ours.watch(workflow_id)

    assert runs(torc, workflow_id) == {
        "on_short": [1, 2],
        "on_debug": [1, 2],
        "later": [2],
    }
    partitions = slurm_workflows.slurm_jobs(torc, workflow_id, "%P")
    assert Counter(partitions) == {"short": 2, "debug": 2, "standard": 1}


def test_layers_of_short_lived_workers(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """Workers that wait for jobs for five seconds only see those of the next layer too."""
    fails_once = TorcJob(name="a", command='[ "$TORC_RUN_ID" -gt 1 ]')
    layers = [TorcJob(name=name, command="true", after=(before,)) for before, name in ("ab", "bc")]
    workflow_id = torc.run(specification([fails_once, *layers], TorcAllocations()))

    ours.watch(workflow_id)

    assert runs(torc, workflow_id) == {"a": [1, 2], "b": [2], "c": [2]}
    assert len(torc.allocations(workflow_id)) == 2


def test_torc_run_by_hand(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """A worker outside of Slurm runs the jobs; when it is killed, Slurm gets what is left."""
    job = "echo began >>{0}; while [ ! -e go ]; do sleep 0.1; done; echo ended >>{0}"
    jobs = [TorcJob(name=name, command=job.format(name)) for name in ("a", "b")]
    workflow_id = torc.create_from(specification(jobs, TorcAllocations(number=0)))
    by_hand = ("run", workflow_id, "--output-dir", torc.output_folder)
    watch = ("watch", workflow_id, "--auto-recover", "--show-job-counts")

    with ours.running_torc(*by_hand) as worker, ours.running(*watch) as watching:
        torc.wait_for_statuses(workflow_id, among={"running"})
        watching.until("running=2")
        wait_for_polls(torc.folder, workflow_id)
        assert torc.allocations(workflow_id) == {}
        worker.kill()
        torc.wait_for_allocations(workflow_id, "pending", "active")
        (torc.folder / "go").touch()
        assert watching.end() == 0, ours.report(watching.output)

    for name in ("a", "b"):
        assert (torc.folder / name).read_text().split() == ["began", "began", "ended"]
    assert slurm_workflows.slurm_jobs(torc, workflow_id, "%P") == ["standard"]
