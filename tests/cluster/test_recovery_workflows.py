"""Workflows as users have them, run by the real Torc on the cluster and recovered by our commands.

What Torc's own recovery makes of the same workflows is in docs/compare-torc-watch.md.
"""

from collections import Counter
from typing import Any

import pytest

from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_HOG = "exec python3 -c 'data = b\"x\" * (115 << 20)'"  # more than the 100 MB that it requests
# Runners of ours poll every 30 seconds; those that wait for less leave the jobs of later layers.
_WAIT = "compute_node_wait_for_new_jobs_seconds"
_PATIENT: dict[str, Any] = {_WAIT: 35}
_FAILS_ONCE = "test -e {0} || {{ touch {0}; exit 3; }}"


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


def slurm_jobs(torc: TorcOnSlurm, workflow_id: int, fields: str) -> list[str]:
    """These fields of squeue for each allocation of a workflow, in the order of submission."""
    numbers = sorted(torc.allocations(workflow_id))
    listed = ",".join(map(str, numbers))
    words = ("squeue", "--noheader", "--states=all", "--sort=i", f"--jobs={listed}")
    return torc.cluster.run(*words, f"--format={fields}").splitlines()


def test_tutorial(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """Only the jobs that Slurm killed are raised and run again, where the first ones ran."""
    prepare = [TorcJob(name=f"prepare_{number}", command="true") for number in range(3)]
    names = [job.name for job in prepare]
    train = [
        TorcJob(name=f"train_{number}", command=_HOG if number in (3, 7) else "true", after=names)
        for number in range(9)
    ]
    place = TorcAllocations(
        account="project", partition="debug", qos="limited", extra="--cpus-per-task=4 --nice=7"
    )
    workflow_id = torc.run(specification([*prepare, *train], place, mode="slurm"))

    with ours.daemon():
        ours.run("add", workflow_id, "--auto-recover")
        assert ours.wait_for_verdicts(workflow_id) == {workflow_id: "succeeded"}

    assert set(torc.statuses(workflow_id).values()) == {"completed"}
    again = {name: found for name, found in runs(torc, workflow_id).items() if found != [1]}
    assert again == {"train_3": [1, 2], "train_7": [1, 2]}
    assert slurm_jobs(torc, workflow_id, "%a %P %q %y %C") == ["project debug limited 7 4"] * 2


def test_workflows_that_nothing_runs(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """Torc's watch calls each of them complete, or waits for ever."""
    canceled = canceled_while_pending(torc)
    unneeded = canceled_by_a_runner(torc)
    longer = with_job_of_ten_minutes(torc, TorcAllocations(walltime="00:04:00"))
    longest = with_job_of_ten_minutes(torc, TorcAllocations(partition="short", walltime="00:04:00"))
    for workflow_id in (longer, longest):
        torc.wait_for_allocations(workflow_id, "complete")

    with ours.daemon():
        ours.run("add", canceled, unneeded, longer, longest, "--auto-recover")
        verdicts = ours.wait_for_verdicts(canceled, unneeded, longer, longest)
        reason = ours.listed()[longest]["reason"]

    assert verdicts == {
        canceled: "succeeded",
        unneeded: "succeeded",
        longer: "succeeded",
        longest: "handed_over",
    }
    assert sorted(torc.allocations(unneeded).values()) == ["canceled", "complete", "complete"]
    assert slurm_jobs(torc, longer, "%P %l") == ["standard 4:00", "standard 13:00"]
    assert "PT10M of run time, and a node of partition short gives at most PT5M" in reason
    assert slurm_jobs(torc, longest, "%P %l") == ["short 4:00"]


def canceled_while_pending(torc: TorcOnSlurm) -> int:
    """One job is ready, one blocked; their allocation was canceled before it began."""
    before = torc.cluster.submit("sleep 600", "--time=20")
    jobs = [TorcJob(name="first", command="true"), second_job("true")]
    place = TorcAllocations(extra=f"--dependency=afterany:{before}")
    workflow_id = torc.run(specification(jobs, place, **_PATIENT))
    [number] = torc.allocations(workflow_id)
    torc.cluster.run("scancel", str(number), str(before))
    return workflow_id


def canceled_by_a_runner(torc: TorcOnSlurm) -> int:
    """The first layer's runner left, and canceled the allocation that waited for the second."""
    jobs = [TorcJob(name="first", command=_FAILS_ONCE.format("first")), second_job("true")]
    place = TorcAllocations(number=2, qos="waiting")
    workflow_id = torc.run(specification(jobs, place, use_pending_failed=True))
    allocations = torc.wait_for_allocations(workflow_id, "complete", "canceled")
    assert sorted(allocations.values()) == ["canceled", "complete"]
    row = torc.ask("GET", f"/workflows/{workflow_id}")
    torc.ask("PUT", f"/workflows/{workflow_id}", row | _PATIENT)
    return workflow_id


def second_job(command: str) -> TorcJob:
    return TorcJob(name="second", command=command, after=["first"])


def with_job_of_ten_minutes(torc: TorcOnSlurm, place: TorcAllocations) -> int:
    job = TorcJob(name="long", command="true", runtime="PT10M")
    workflow_id = torc.create_from(specification([job], place), "--skip-checks")
    torc.submit(workflow_id)
    return workflow_id


def test_rows_and_actions_of_a_workflow(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """Jobs are recovered under the rows that they are tied to, a later layer by its action."""
    jobs = [
        TorcJob(name="on_short", command=_FAILS_ONCE.format("short")),
        TorcJob(name="on_debug", command=_FAILS_ONCE.format("debug")),
        TorcJob(name="later", command="true", after=["on_short", "on_debug"]),
    ]
    workflow = specification(jobs, TorcAllocations(), **_PATIENT)
    tie(workflow, "on_short", "short")
    tie(workflow, "on_debug", "debug")
    tie(workflow, "later", "standard", trigger="on_jobs_ready")
    workflow_id = torc.run(workflow)

    ours.watch(workflow_id)

    assert runs(torc, workflow_id) == {
        "on_short": [1, 2],
        "on_debug": [1, 2],
        "later": [2],
    }
    partitions = slurm_jobs(torc, workflow_id, "%P")
    assert Counter(partitions) == {"short": 2, "debug": 2, "standard": 1}


def tie(
    workflow: dict[str, Any], job: str, partition: str, trigger: str = "on_workflow_start"
) -> None:
    """Gives a job a scheduler of its own, and an action that submits an allocation for it."""
    if [row["name"] for row in workflow["slurm_schedulers"]] == ["allocations"]:
        workflow["slurm_schedulers"], workflow["actions"] = [], []
    row = TorcAllocations(partition=partition).row | {"name": partition}
    workflow["slurm_schedulers"].append(row)
    action = TorcAllocations().action | {"scheduler": partition, "trigger_type": trigger}
    if trigger == "on_jobs_ready":
        action["jobs"] = [job]
    workflow["actions"].append(action)
    for each in workflow["jobs"]:
        if each["name"] == job:
            each["scheduler"] = partition


def test_torc_run_by_hand(torc: TorcOnSlurm, ours: TorcWatchd) -> None:
    """A worker outside of Slurm runs the jobs; when it is killed, Slurm gets what is left."""
    job = "echo began >>{0}; while [ ! -e go ]; do sleep 0.1; done; echo ended >>{0}"
    jobs = [TorcJob(name=name, command=job.format(name)) for name in ("a", "b")]
    workflow_id = torc.create_from(specification(jobs, TorcAllocations(number=0)))
    by_hand = ours.start_torc("run", workflow_id, "--output-dir", torc.output_folder)
    torc.wait_for_statuses(workflow_id, among={"running"})

    watch = ours.start("watch", workflow_id, "--auto-recover", "--show-job-counts")
    with by_hand.process, watch.process:
        for _ in range(3):
            watch.until("running=2")
        assert torc.allocations(workflow_id) == {}
        by_hand.kill()
        torc.wait_for_allocations(workflow_id, "pending", "active")
        (torc.folder / "go").touch()
        assert watch.end() == 0, ours.report(watch.output)

    for name in ("a", "b"):
        assert (torc.folder / name).read_text().split() == ["began", "began", "ended"]
    assert slurm_jobs(torc, workflow_id, "%P") == ["standard"]
