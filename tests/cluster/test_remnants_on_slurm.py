"""What a job has started, and what lives on when Torc's runner kills it for its memory.

In direct mode the runner kills the job's shell alone. Before the job runs again beside others a
watch ends the rest; each attempt writes down which processes of earlier ones it finds.
"""

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

# Its memory is that of a child. Another child is in a session of its own, and not of its tree.
_HUNGRY = """
import os, subprocess, sys, time
attempt = os.environ["TORC_ATTEMPT_ID"]
folder, name = sys.argv[1], os.environ["TORC_JOB_NAME"]

def other_attempts():
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            entries = open(f"/proc/{pid}/environ", "rb").read().split(b"\\0")
        except OSError:
            continue
        found = dict(entry.partition(b"=")[::2] for entry in entries)
        same = all(
            found.get(key) == os.environb[key] for key in (b"TORC_WORKFLOW_ID", b"TORC_JOB_ID")
        )
        if same and found.get(b"TORC_ATTEMPT_ID", b"").decode() != attempt:
            yield pid

left = list(other_attempts())
with open(f"{folder}/{name}.{attempt}", "w") as file:
    file.write(" ".join(left))
if attempt == "1":
    subprocess.Popen(["setsid", "sh", "-c", "sleep 600; true"])
    memory = b"x" * (150 << 20)
    time.sleep(600)
"""
_WATCH = ("--in-place", "--poll-interval", "1")
# Or the runner sees too late that a job takes too much.
_MONITOR = {"enabled": True, "granularity": "summary", "sample_interval_seconds": 1}

Prepare = Callable[..., int]


@pytest.fixture
def prepare(torc: TorcOnSlurm) -> Iterator[Prepare]:
    """Submits two jobs that take too much memory, and one that runs until the test says so."""

    def prepare(nodes: int = 1) -> int:
        program = torc.folder / "hungry.py"
        program.write_text(_HUNGRY)
        hungry = f"{sys.executable} {program} {torc.folder}; true"
        wait = f"sleep 600 & until [ -e {torc.folder}/go ]; do sleep 0.1; done; kill $!"
        jobs = [
            TorcJob(name="beside", command=wait, runtime="PT3M"),
            *(TorcJob(name=f"hungry {n}", command=hungry) for n in (1, 2)),
        ]
        place = TorcAllocations(nodes=nodes, walltime="00:10:00")
        return torc.run(specification(jobs, place, resource_monitor=_MONITOR))

    yield prepare
    (torc.folder / "go").touch()


def _found(torc: TorcOnSlurm, attempt: int) -> dict[str, str]:
    """The processes of earlier attempts that each job found as it started this one."""
    return {path.stem: path.read_text() for path in torc.folder.glob(f"hungry *.{attempt}")}


@pytest.mark.parametrize("nodes", [1, 2])
def test_nothing_of_the_first_attempt_lives_when_the_second_starts(
    torc: TorcOnSlurm, prepare: Prepare, nodes: int
) -> None:
    workflow_id = prepare(nodes)
    torc.wait_for_statuses(workflow_id, "beside", among={"running"})
    with TorcWatchd(torc).running("watch", workflow_id, "--auto-recover", *_WATCH) as watch:
        try:
            names = ("hungry 1", "hungry 2")
            torc.wait_for_statuses(workflow_id, *names, among={"completed"})
            assert torc.statuses(workflow_id)["beside"] == "running"
            assert _found(torc, 2) == dict.fromkeys(names, "")
            (torc.folder / "go").touch()
            assert watch.end() == 0
        finally:
            sys.stdout.write(TorcWatchd(torc).report(watch.output))
    assert "that failed attempts left running" in watch.output
    assert "while others run" in watch.output
    codes = [(name, code) for name, _, _, code in torc.results(workflow_id)]
    assert codes == [("beside", 0), *((name, code) for name in names for code in (0, 137))]


def test_without_that_the_first_attempt_lives_on(torc: TorcOnSlurm, prepare: Prepare) -> None:
    """What this is for: a retry by hand finds them all."""
    workflow_id = prepare()
    name = "hungry 1"
    torc.wait_for_statuses(workflow_id, name, "hungry 2", among={"failed"})
    [job_id] = [row["id"] for row in torc.rows("/jobs", workflow_id) if row["name"] == name]
    run_id = torc.ask("GET", f"/workflows/{workflow_id}")["run_id"]
    torc.ask("POST", f"/jobs/{job_id}/retry/{run_id}?max_retries=2")
    wait_until(lambda: name in _found(torc, 2), "the second attempt")
    assert _found(torc, 2)[name]
