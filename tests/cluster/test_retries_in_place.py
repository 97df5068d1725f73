"""Jobs that Slurm killed for their memory: the daemon retries them while others of Torc's run."""

import pytest

from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd
from torc_watch.core.units import MIB, parse_memory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_REQUEST = 300  # MiB
_NEED = 312  # less than a tenth above, so that those that wait get enough
_HOG = f"exec python3 -c 'data = b\"x\" * ({_NEED - 9} << 20)'"  # the interpreter takes 9
_FIRST, _LATER = ("train_1", "train_2"), ("train_3", "train_4", "train_5")


def _workflow() -> dict[str, object]:
    """Of a kind that requests too little, two jobs run at once, three wait for another kind's."""
    gate = TorcJob(name="gate", command="while [ ! -e go ]; do sleep 0.2; done", runtime="PT2M")
    train = [
        TorcJob(
            name=name,
            command=_HOG,
            memory=f"{_REQUEST}m",
            after=(gate.name,) if name in _LATER else (),
        )
        for name in (*_FIRST, *_LATER)
    ]
    reports = [
        TorcJob(name=f"report_{index}", command="true", after=(job.name,))
        for index, job in enumerate(train, start=1)
    ]
    jobs = [gate, *train, *reports]
    return specification(jobs, TorcAllocations(mem="2000M", walltime="00:10:00"), mode="slurm")


def _requests(torc: TorcOnSlurm, workflow_id: int) -> dict[str, int]:
    """In MiB, by the names of jobs."""
    rows = {row["id"]: row for row in torc.rows("/resource_requirements", workflow_id)}
    return {
        name: parse_memory(rows[job["resource_requirements_id"]]["memory"]) // MIB
        for name, job in torc.jobs(workflow_id).items()
    }


def test_kind_that_requests_too_little(torc: TorcOnSlurm) -> None:
    """Its first jobs and what depends on them complete while the rest of the workflow goes on."""
    if torc.cluster.memory_enforcement != "cgroup":
        pytest.skip("without cgroups no job ends as OUT_OF_MEMORY")
    torc.folder.chmod(0o755)
    ours = TorcWatchd(torc)
    workflow_id = torc.run(_workflow())

    with ours.daemon():
        ours.run("add", workflow_id, "--auto-recover")
        torc.wait_for_statuses(workflow_id, *_FIRST, "report_1", "report_2", among={"completed"})
        before = torc.statuses(workflow_id)
        asked = _requests(torc, workflow_id)
        (torc.folder / "go").touch()
        assert ours.wait_for_verdicts(workflow_id) == {workflow_id: "succeeded"}

    assert (before["gate"], {before[name] for name in _LATER}) == ("running", {"blocked"})
    assert all(asked[name] > _NEED for name in (*_FIRST, *_LATER)), asked
    assert asked["gate"] == 100  # MiB, as it was
    results = torc.rows("/results", workflow_id, all_runs="true")
    names = {row["id"]: name for name, row in torc.jobs(workflow_id).items()}
    found = sorted(
        (names[row["job_id"]], row["run_id"], row["attempt_id"], row["status"]) for row in results
    )
    once = [name for name in names.values() if name not in _FIRST]
    again = [(name, 1, *end) for name in _FIRST for end in ((1, "failed"), (2, "completed"))]
    assert found == sorted([*((name, 1, 1, "completed") for name in once), *again])
    assert len(torc.allocations(workflow_id)) == 1
