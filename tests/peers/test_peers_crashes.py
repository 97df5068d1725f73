"""The state after a crash or an error, and whether a later command continues."""

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.conftest import Site, Workflow


@pytest.fixture
def hungry(make_workflow: "Callable[[], Workflow]") -> "Callable[[], Workflow]":
    """Makes workflows whose job ran out of memory, and whose allocation is about to end."""

    def make() -> "Workflow":
        workflow = make_workflow()
        workflow.add("hungry", command="exit 137")
        workflow.start()
        workflow.fail("hungry", 137)
        return workflow

    return make


def test_torc_forgets_attempts_after_a_restart(
    site: "Site", hungry: "Callable[[], Workflow]"
) -> None:
    """0.7: Torc keeps the count in memory."""
    (site.slurm / "hold").touch()
    workflow = hungry()
    default = "max retries: 3" if site.peer.is_old else "unlimited retries"
    for bound in ((), ("--max-retries", "1")):
        workflow.allocate(9, "active")
        watch = site.start_torc("watch", workflow.id, "--recover", "-p", "1", *bound)
        assert ("max retries: 1" if bound else default) in watch.until("Watching workflow")
        watch.until("Workflow complete")
        workflow.close_allocations()
        assert "attempt 1" in watch.until("Attempting automatic recovery")
        watch.until("Recovery initiated")
        watch.interrupt(signal.SIGKILL)
        workflow.fail("hungry", 137)


def test_we_count_attempts_after_a_restart(site: "Site", hungry: "Callable[[], Workflow]") -> None:
    """0.7: our journal has the count."""
    workflow = hungry()
    command = ("watch", workflow.id, "--recover", "-p", "1", "--max-retries", "2")
    watch = site.start_ours(*command)
    watch.until("attempt 1/2")
    watch.until("Recovery initiated")
    watch.interrupt(signal.SIGKILL)
    again = site.ours(*command)
    assert "attempt 2/2" in again.stdout
    assert "attempt 1/2" not in again.stdout
    assert again.returncode == 3


def test_torc_does_not_continue_after_an_error_between_reset_and_submission(
    site: "Site", hungry: "Callable[[], Workflow]"
) -> None:
    """0.9: its watch ends with ready jobs and no allocation, and the same command then refuses.

    1.0 has options that submit allocations for them.
    """
    workflow = hungry()
    workflow.allocate(9, "active")
    no_slurm = {
        "PATH": f"{site.peer.programs}:{os.environ['PATH']}",
        "STAND_IN_FOR_SLURM_CLUSTER": "",
    }
    watch = site.start_torc("watch", workflow.id, "--recover", "-p", "1", **no_slurm)
    watch.until("Workflow complete")
    workflow.close_allocations()
    watch.until("No HPC profile specified and no system detected")
    assert watch.end() == 1
    assert workflow.statuses == {"hungry": "ready"}
    again = site.torc("watch", workflow.id, "--recover")
    assert "No scheduled compute nodes found" in again.stderr + again.stdout
    assert again.returncode == 1
    assert "workflow is not complete" in site.recover(workflow.id).stderr
    ours = site.plan(workflow.id)
    assert ours["standing"] == "needs_recovery"
    assert len(ours["plan"]["allocations"]) == 1
    if not site.peer.is_old:  # the options keep the watch running, and schedule ready jobs
        (site.slurm / "hold").touch()
        watch = site.start_torc("watch", workflow.id, "--persistent", "--auto-schedule", "-p", "1")
        watch.until("Auto-schedule: Successfully submitted new allocations")
        assert len(site.calls("sbatch")) == 1


def test_torc_allows_two_watches_and_we_refuse_the_second(
    site: "Site", hungry: "Callable[[], Workflow]"
) -> None:
    """Not in the table of claims."""
    workflow = hungry()
    workflow.allocate(9, "active")
    for _ in range(2):
        site.start_torc("watch", workflow.id, "--recover", "-p", "60").until("Workflow complete")
    first = site.start_ours("watch", workflow.id, "-p", "60")
    first.until("Watching workflow")
    second = site.ours("watch", workflow.id, "-p", "60")
    assert second.returncode == 7
    assert str(first.process.pid) in second.stderr
