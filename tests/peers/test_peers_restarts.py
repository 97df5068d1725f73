"""Which jobs run again, and when."""

from typing import TYPE_CHECKING

import pytest

from tests.rigs.commands import wait_for_polls

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.conftest import Site, Workflow


@pytest.fixture
def failed(make_workflow: "Callable[[], Workflow]") -> "Callable[[], Workflow]":
    """Makes workflows with a job that ran out of memory, a code bug, and one whose worker left."""

    def make() -> "Workflow":
        workflow = make_workflow()
        for name in ("hungry", "bug", "stopped"):
            workflow.add(name)
        workflow.start()
        workflow.claim()
        workflow.run("hungry", "bug", "stopped")
        workflow.end("hungry", 137)
        workflow.end("bug", 1)
        workflow.end("stopped", 1, terminated=True)
        return workflow

    return make


def test_only_the_chosen_jobs_restart_except_with_torc_0_12(
    site: "Site", failed: "Callable[[], Workflow]"
) -> None:
    """0.5: 1.0 restarts only the selected job.

    The servers of both versions also restart terminated jobs, with Torc's recovery and with ours.
    """
    (site.slurm / "hold").touch()
    theirs, ours = failed(), failed()
    recovered = site.recover(theirs.id)
    assert recovered.returncode == 0, recovered.stderr
    bug = "ready" if site.peer.is_old else "failed"
    assert theirs.statuses == {"hungry": "ready", "bug": bug, "stopped": "ready"}
    recovered = site.ours("recover", ours.id, "--no-retry-unknown")
    assert recovered.returncode == 0, recovered.stderr
    assert ours.statuses["bug"] == "failed"
    assert {ours.statuses[name] for name in ("hungry", "stopped")}.isdisjoint(
        {"failed", "terminated"}
    )


def test_recovery_waits_for_the_last_running_job(site: "Site", workflow: "Workflow") -> None:
    """0.8: neither watch recovers while a job runs."""
    workflow.add("hungry")
    workflow.add("long")
    workflow.start()
    workflow.fail("hungry", 137)
    workflow.run("long")
    workflow.allocate(1, "active")
    site.slurm_job(1, "RUNNING")
    watches = [
        site.start_torc("watch", workflow.id, "--recover", "-s", "-p", "1"),
        site.start_ours("watch", workflow.id, "--recover", "-s", "-p", "1"),
    ]
    for _ in range(3):
        watches[0].until("running=1")
    watches[1].until("running=1")
    wait_for_polls(site.folder, workflow.id)
    for watch in watches:
        assert "Attempting" not in "".join(watch.printed)
