"""Workflows of the real Torc on a cluster that need recovery, each submitted by Torc itself."""

from typing import Any

import pytest

from tests.rigs.torc_on_slurm import Row, TorcAllocations, TorcJob, TorcOnSlurm, specification

_HOG = "exec python3 -c 'data = b\"x\" * (115 << 20)'"  # more than the 100 MB that it requests
_FAILS_ONCE = "test -e {0} || {{ touch {0}; exit 3; }}"
# Runners poll every 30 seconds; those that wait for less leave the jobs of later layers.
_PATIENT: dict[str, Any] = {"compute_node_wait_for_new_jobs_seconds": 35}


def tutorial(torc: TorcOnSlurm, *, runtime: str = "PT1M") -> int:
    """Three jobs, then nine, of which two are killed by Slurm for their memory."""
    if torc.cluster.memory_enforcement != "cgroup":
        pytest.skip("without cgroups no job ends as OUT_OF_MEMORY")
    prepare = [
        TorcJob(name=f"prepare_{number}", command="true", runtime=runtime) for number in range(3)
    ]
    names = [job.name for job in prepare]
    train = [
        TorcJob(
            name=f"train_{number}",
            command=_HOG if number in (3, 7) else "true",
            runtime=runtime,
            after=names,
        )
        for number in range(9)
    ]
    place = TorcAllocations(
        account="project",
        partition="debug",
        qos="limited",
        walltime="00:10:00",
        extra="--cpus-per-task=4 --nice=7",
    )
    return torc.run(specification([*prepare, *train], place, mode="slurm"))


def canceled_while_pending(torc: TorcOnSlurm) -> int:
    """One job is ready, one blocked; their allocation was canceled before it began."""
    before = torc.cluster.submit("sleep 600", "--time=20")
    jobs = [TorcJob(name="first", command="true"), _second_job()]
    place = TorcAllocations(extra=f"--dependency=afterany:{before}")
    workflow_id = torc.run(specification(jobs, place, **_PATIENT))
    [number] = torc.allocations(workflow_id)
    torc.cluster.run("scancel", str(number), str(before))
    return workflow_id


def canceled_by_a_runner(torc: TorcOnSlurm) -> int:
    """The first layer's runner left, and canceled the allocation that waited for the second."""
    jobs = [TorcJob(name="first", command=_FAILS_ONCE.format("first")), _second_job()]
    place = TorcAllocations(number=2, qos="waiting")
    workflow_id = torc.run(specification(jobs, place, use_pending_failed=True))
    allocations = torc.wait_for_allocations(workflow_id, "complete", "canceled")
    assert sorted(allocations.values()) == ["canceled", "complete"]
    row = torc.ask("GET", f"/workflows/{workflow_id}")
    torc.ask("PUT", f"/workflows/{workflow_id}", row | _PATIENT)
    return workflow_id


def with_too_long_a_job(
    torc: TorcOnSlurm, partition: str | None = None, *, runtime: str = "PT10M"
) -> int:
    """A job for which its allocation of four minutes has no time."""
    job = TorcJob(name="long", command="true", runtime=runtime)
    allocations = TorcAllocations(walltime="00:04:00", partition=partition)
    workflow_id = torc.create_from(specification([job], allocations), "--skip-checks")
    torc.submit(workflow_id)
    return workflow_id


def on_three_partitions(torc: TorcOnSlurm, *, runtime: str = "PT1M") -> int:
    """Two jobs fail once, each under a scheduler of its own; a later layer has its own action."""
    firsts = ("on_short", "on_debug")
    jobs = [
        TorcJob(name="on_short", command=_FAILS_ONCE.format("short"), runtime=runtime),
        TorcJob(name="on_debug", command=_FAILS_ONCE.format("debug"), runtime=runtime),
        TorcJob(name="later", command="true", runtime=runtime, after=firsts),
    ]
    workflow = specification(jobs, TorcAllocations(), **_PATIENT)
    places = ("short", "debug", "standard")
    for row, partition in zip(workflow["jobs"], places, strict=True):
        row["scheduler"] = partition
    workflow["slurm_schedulers"] = [
        TorcAllocations(partition=partition).row | {"name": partition} for partition in places
    ]
    workflow["actions"] = [_action("short"), _action("debug"), _later_action("standard", "later")]
    return torc.run(workflow)


def slurm_jobs(torc: TorcOnSlurm, workflow_id: int, fields: str) -> list[str]:
    """These fields of squeue for each allocation of a workflow, in the order of submission."""
    numbers = sorted(torc.allocations(workflow_id))
    listed = ",".join(map(str, numbers))
    words = ("squeue", "--noheader", "--states=all", "--sort=i", f"--jobs={listed}")
    return torc.cluster.run(*words, f"--format={fields}").splitlines()


def _second_job() -> TorcJob:
    return TorcJob(name="second", command="true", after=["first"])


def _action(scheduler: str) -> Row:
    return TorcAllocations().action | {"scheduler": scheduler}


def _later_action(scheduler: str, job: str) -> Row:
    return _action(scheduler) | {"trigger_type": "on_jobs_ready", "jobs": [job]}
