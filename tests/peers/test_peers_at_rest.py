"""Workflows that stop with unfinished jobs, and whether that is reported as success."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.peers.conftest import Site, Workflow

SUCCESS = "✓ Workflow completed successfully"


def test_torc_reports_success_with_ready_jobs(site: "Site", workflow: "Workflow") -> None:
    """0.4: no partition has the requested memory, so Torc submits nothing."""
    workflow.require("big", memory="3g")
    workflow.add("big", "big")
    workflow.start()
    workflow.fail("big", 137)
    workflow.allocate(1, "active")
    site.slurm_job(1, "RUNNING")
    watch = site.start_torc("watch", workflow.id, "--recover", "-p", "1")
    watch.until("Workflow complete")
    workflow.close_allocations()
    watch.until("Recovery initiated")
    watch.until("1 ready jobs with no schedulers")
    assert "(0 jobs)" in watch.until(SUCCESS)
    assert watch.end() == 0
    assert ("No partition found" in "".join(watch.printed)) is site.peer.is_old
    assert workflow.statuses == {"big": "ready"}
    ours = site.plan(workflow.id)
    assert ours["standing"] == "needs_recovery"
    assert len(ours["plan"]["allocations"]) == 1


def test_torc_reports_success_with_claimed_jobs(site: "Site", workflow: "Workflow") -> None:
    """Not in the table of claims: Torc releases only running jobs of dead allocations."""
    workflow.add("claimed")
    workflow.start()
    workflow.claim()
    workflow.allocate(1, "active")
    watched = site.torc("watch", workflow.id, "--recover", "-p", "1")
    assert "Workflow cannot make progress" in watched.stderr + watched.stdout
    assert SUCCESS in watched.stderr + watched.stdout
    assert (watched.returncode, workflow.statuses) == (0, {"claimed": "pending"})
    ours = site.ours("recover", workflow.id)
    assert "Releasing 1 job of dead workers" in ours.stdout
    assert "Recovery initiated" in ours.stdout
    workflow.wait_for_status("claimed", "completed")


def test_torc_waits_for_a_dead_allocation_after_all_jobs_have_ended(
    site: "Site", workflow: "Workflow"
) -> None:
    """Not in the table of claims: Torc's watch does not query Slurm once all jobs have ended.

    If a runner dies after that, its record stays open, and the watch waits for it.
    """
    workflow.add("done")
    workflow.start()
    workflow.claim()
    workflow.run("done")
    workflow.end("done")
    workflow.allocate(1, "active")
    watch = site.start_torc("--log-level", "debug", "watch", workflow.id, "-p", "1")
    watch.until("Workflow complete")
    for _ in range(3):
        watch.until("Waiting for workers to exit")
    assert site.calls("squeue") == []
