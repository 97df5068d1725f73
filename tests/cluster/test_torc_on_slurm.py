"""The real Torc runs workflows on the real Slurm with nothing of ours; other tests build on it."""

import pytest

from tests.rigs.torc_on_slurm import Mode, TorcAllocations, TorcJob, TorcOnSlurm, specification

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_JOBS = (
    TorcJob(name="first", command='test "$SLURM_JOB_ID" && echo made >made.txt'),
    TorcJob(name="second", command="cat made.txt", after=["first"]),
)


@pytest.mark.parametrize("mode", ["direct", "slurm"])
def test_workflow_runs_to_completion(torc: TorcOnSlurm, mode: Mode) -> None:
    workflow_id = torc.run(specification(_JOBS, TorcAllocations(), mode=mode))

    torc.wait_for_statuses(workflow_id)
    [number] = torc.wait_for_allocations(workflow_id, "complete")

    assert torc.results(workflow_id) == [
        ("first", 1, "completed", 0),
        ("second", 1, "completed", 0),
    ]
    assert torc.cluster.wait_for_end(number)[0] == f"{number}|COMPLETED|0:0"
    assert (torc.folder / "made.txt").read_text() == "made\n"
