"""The messages of both watches for the same workflow."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.conftest import Site, Workflow
    from tests.rigs.commands import Command

_EXAMPLES = Path(__file__).parents[2] / "examples"

OLD = """
Watching workflow N (poll interval: 1s, recover enabled, max retries: 3)
(use --show-job-counts to display per-status counts during polling)
Workflow complete workflow_id=N
Workers exited workflow_id=N
Workflow completed with failures:
- Failed: 2
- Canceled: 1
- Terminated: 1
- Completed: 0
Attempting automatic recovery (attempt 1/3)
Diagnosing failures...
Applying recovery heuristics...
2 job(s) with RR N: OOM detected, increasing memory 1g -> 2g (1.5x, no peak data)
2 job(s) with RR N: Timeout detected, increasing runtime PT10M -> PT15M
Applied fixes: 2 OOM, 2 timeout
1 job(s) with unknown failure cause (will retry)
Resetting 3 job(s) for retry...
Reset 3 job(s)
Reinitializing workflow...
Regenerating Slurm schedulers...
Regenerated Slurm schedulers for workflow N
Summary:
Pending jobs: 4
Schedulers created: 2
Allocations submitted: 1 (deferred: 1)
Profile used: Stand-in (stand_in)
Schedulers:
Submitted 1 allocation(s). 1 deferred allocation(s) will be submitted when dependencies complete.
Recovery initiated. Resuming monitoring...
Workflow complete workflow_id=N
Workers exited workflow_id=N
✓ Workflow completed successfully (4 jobs)
"""

NEW = """
Watching workflow N (poll interval: 1s, recover enabled, unlimited retries)
(use --show-job-counts to display per-status counts during polling)
Workflow complete workflow_id=N
Workers exited workflow_id=N
Workflow completed with failures:
- Failed: 2
- Canceled: 1
- Terminated: 1
- Completed: 0
Attempting automatic recovery (attempt 1)
Orphan check workflow_id=N
No orphans found workflow_id=N
Diagnosing failures...
Applying recovery heuristics...
2 job(s) with RR N: memory violation, increasing memory 1g -> 2g (1.5x fallback for OOM without reliable peak data)
2 job(s) with RR N: Timeout detected, increasing runtime PT10M -> PT15M
Applied fixes: 2 OOM, 2 timeout
1 job(s) with unknown failure cause (would retry)
Jobs resetting workflow_id=N count=3
Reset 3 job(s) for workflow N
Jobs reset workflow_id=N count=3
Workflow reinitializing workflow_id=N
Reset status of workflow_id=N
Changed all uninitialized jobs to ready or blocked for workflow N
Schedulers regenerating workflow_id=N
Regenerated Slurm schedulers for workflow N
Summary:
Pending jobs: 4
Schedulers created: 2
Allocations submitted: 3 (deferred: 1)
Profile used: Stand-in (stand_in)
Schedulers:
Submitted 3 allocation(s). 1 deferred allocation(s) will be submitted when dependencies complete.
Recovery initiated. Resuming monitoring...
Workflow complete workflow_id=N
Workers exited workflow_id=N
✓ Workflow completed successfully (4 jobs)
"""  # noqa: E501 - printed so

OURS = """
Watching workflow N (poll interval: 1s, auto-recover enabled, max retries: 3)
Workflow N is complete
Workflow completed with failures:
- Failed: 2
- Canceled: 1
- Terminated: 1
- Completed: 0
Attempting automatic recovery (attempt 1/3)
Diagnosing failures...
1 job: out of memory (guess): killed (137)
1 job: out of time (likely): killed at its run time limit PT10M
1 job: unknown failure (guess): exit code 1
Applying recovery heuristics...
Job N (hungry): OOM detected, increasing memory 1g -> 1536m
Job N (slow): Timeout detected, increasing runtime PT10M -> PT15M
Applied fixes: 1 OOM, 1 timeout
Job N (bug): unknown failure (exit code 1), retrying without changes
Resetting failed jobs...
Regenerating Local schedulers and submitting...
Recovery initiated. Resuming monitoring...
Watching workflow N (poll interval: 1s, auto-recover enabled, max retries: 3)
Workflow N is complete
✓ Workflow completed successfully (4 jobs)
"""

# Ten and twelve jobs, six of which need more memory: a runner that samples too late on a busy
# machine could miss some of a larger number.
_SMALLER = {'{ i: "1:90" }': '{ i: "1:12" }', "7 | 12 | 23 | 31 | 45)": "7 | 8 | 9 | 10 | 11 | 12)"}


def test_messages_for_the_same_failures(
    site: "Site", make_workflow: "Callable[[], Workflow]"
) -> None:
    """Torc needs --retry-unknown, which is our default."""
    (site.slurm / "hold").touch()
    theirs, ours = _failed(make_workflow()), _failed(make_workflow())
    theirs.allocate(9, "active")
    watch = site.start_torc("watch", theirs.id, "--recover", "--retry-unknown", "-p", "1")
    watch.until("Workflow complete")
    theirs.close_allocations()
    watch.until("Recovery initiated")
    theirs.finish()
    theirs.close_allocations()
    assert watch.end() == 0
    assert _messages(watch) == (OLD if site.peer.is_old else NEW).strip().splitlines()
    assert theirs.requested["slow"] == ("2g", "PT15M")
    watch = site.start_ours("watch", ours.id, "--recover", "-p", "1", "--policy", "fixed")
    assert watch.end() == 0
    assert _messages(watch) == OURS.strip().splitlines()
    assert ours.requested["slow"] == ("1g", "PT15M")


@pytest.mark.timeout(300)
def test_both_recover_the_tutorial(site: "Site") -> None:
    """A smaller tutorial, with Torc 1.0's Slurm runner and with our local allocations.

    Torc's deferred allocations write to `torc_output` instead of the given folder.
    """
    if site.peer.is_old:
        pytest.skip("the Slurm runner of 0.12 is a crate of its own, which is not built")
    _write_tutorial(site)
    generated = site.torc("slurm", "generate", "--account", "a", "tutorial.yaml")
    (site.folder / "generated.yaml").write_text(generated.stdout)
    submitted = site.torc("-f", "json", "submit", "-p", "1", "-o", "out", "generated.yaml")
    theirs = json.loads(submitted.stdout)["workflow_id"]
    watch = site.start_torc("watch", theirs, "--recover", "-p", "1", "-o", "out")
    watch.until("OOM, 0 timeout")
    assert "(22 jobs)" in watch.until("✓ Workflow completed successfully")
    folders = {call.split()[1].partition("/")[0] for call in site.calls("sbatch")}
    assert folders == {"out", "torc_output"}
    assert _jobs_by_requirements(site, theirs) == [22]
    submitted = site.ours("submit", "tutorial.yaml", "--cpus", "8", "--json")
    ours = json.loads(submitted.stdout)["workflow_id"]
    watch = site.start_ours("watch", ours, "--recover", "-p", "1", "--policy", "fixed")
    watch.until("Applied fixes: 6 OOM, 0 timeout")
    assert "(22 jobs)" in watch.until("✓ Workflow completed successfully")
    assert _jobs_by_requirements(site, ours) == [6, 16]


def _write_tutorial(site: "Site") -> None:
    text = (_EXAMPLES / "tutorial.yaml").read_text()
    for longer, shorter in _SMALLER.items():
        assert longer in text
        text = text.replace(longer, shorter)
    (site.folder / "tutorial.yaml").write_text(text)


def _jobs_by_requirements(site: "Site", workflow_id: int) -> list[int]:
    """The numbers of jobs that share requirements, sorted."""
    jobs = site.request("GET", f"/jobs?workflow_id={workflow_id}")["items"]
    return sorted(Counter(job["resource_requirements_id"] for job in jobs).values())


def _failed(workflow: "Workflow") -> "Workflow":
    """A workflow with one job that failed for memory, one for time, a code bug, and a dependent."""
    for name in ("hungry", "slow", "bug"):
        workflow.add(name)
    workflow.add("after", after="hungry")
    workflow.start()
    workflow.claim()
    workflow.run("hungry", "slow", "bug")
    workflow.end("hungry", 137)
    workflow.end("slow", 152, minutes=10, terminated=True)
    workflow.end("bug", 1)
    workflow.wait_for_status("after", "canceled")
    return workflow


def _messages(watch: "Command") -> list[str]:
    """The messages of a watch without times and numbers.

    Lines with the log's name, warnings about missing output, and schedulers, whose sequence varies,
    are omitted.
    """
    lines = (re.sub(r"^\[.*?\] ", "", line).strip() for line in watch.printed)
    left_out = re.compile("Watch started|Warning: job|.*_regen_")
    kept = [line for line in lines if line and not left_out.match(line)]
    return [re.sub(r"(workflow_id=|[wW]orkflow |RR |ID: |Job )\d+", r"\1N", each) for each in kept]
