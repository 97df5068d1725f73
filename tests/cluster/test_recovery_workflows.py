"""Workflows as users have them, run by the real Torc on the cluster and recovered by our commands.

What Torc's own recovery makes of the same workflows is in docs/compare-torc-watch.md.
"""

import pytest

from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_HOG = "exec python3 -c 'data = b\"x\" * (115 << 20)'"  # more than the 100 MB that it requests
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
        listed, status = ours.run("list"), ours.run("status", workflow_id)
    history = ours.run("history", workflow_id)

    assert set(torc.statuses(workflow_id).values()) == {"completed"}
    again = {name: found for name, found in runs(torc, workflow_id).items() if found != [1]}
    assert again == {"train_3": [1, 2], "train_7": [1, 2]}
    assert slurm_jobs(torc, workflow_id, "%a %P %q %y %C") == ["project debug limited 7 4"] * 2
    print(listed, status, history)
