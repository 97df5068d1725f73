"""What recovery queries, and how it reads the answers: Slurm, logs, a dry run."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.peers.conftest import Site, Workflow


def test_orphans_get_return_code_minus_128_without_accounting_data(
    site: "Site", workflow: "Workflow"
) -> None:
    """0.6: jobs of an ended allocation get -128; Torc does not query how it ended (sacct)."""
    workflow.add("lost")
    workflow.start()
    workflow.claim()
    workflow.run("lost")
    workflow.allocate(1, "active")
    recovered = site.recover(workflow.id)
    assert recovered.returncode == 1
    assert "1 job(s) with unknown failure cause (skipped" in recovered.stderr
    (result,) = workflow.rows("results")
    assert (result["return_code"], result["exec_time_minutes"]) == (-128, 0)
    assert site.calls("squeue")
    assert not site.calls("sacct")
    (retry,) = site.plan(workflow.id, "--no-retry-unknown")["plan"]["retries"]
    assert (retry["cause"], retry["reason"]) == ("interrupted", "its worker died")


def test_torc_calls_squeue_once_for_each_allocation(site: "Site", workflow: "Workflow") -> None:
    """0.10: the search for orphans calls squeue once for each allocation."""
    workflow.add("waiting")
    workflow.start()
    for number in range(1, 6):
        workflow.allocate(number, "pending")
        site.slurm_job(number, "PENDING")
    site.recover(workflow.id, "--dry-run")
    queried = [call.partition("-j ")[2] for call in site.calls("squeue")]
    assert queried == ["1", "2", "3", "4", "5"]


# Lines of a successful job, and the errors that 0.12 and 1.0 find in them.
LINES = {
    "The meeting room is on the left.": ("OOM Killed", None),
    "read_timeout: 30": ("Timeout", None),
    "connection timeout: 30": ("Timeout", "Slurm Error"),
    "0 of 10 orders were cancelled.": ("Slurm Error", "Slurm Error"),
}


def test_log_analysis_finds_errors_in_harmless_lines(site: "Site") -> None:
    """0.11: 0.12's patterns match in the middle of words; 1.0's match whole words, anywhere."""
    (site.folder / "logs").mkdir()
    (site.folder / "logs" / "job_wf1_j1_r1_a1.o").write_text("\n".join(LINES))
    analyzed = site.torc("logs", "analyze", "logs", "--workflow-id", 1).stdout
    found = {line: kind for kind, line in re.findall(r"Line \d+: (.+) - (.+)", analyzed)}
    words = [old if site.peer.is_old else new for old, new in LINES.values()]
    assert [found.get(line) for line in LINES] == words


def test_dry_run_of_torc_marks_actions_as_executed(site: "Site", workflow: "Workflow") -> None:
    """Not in the table of claims: these are the actions that schedule nodes."""
    workflow.add("hungry")
    workflow.start()
    workflow.fail("hungry", 137)
    workflow.add_action()
    site.plan(workflow.id)
    assert workflow.executed_actions() == [False]
    site.dry_run(workflow.id)
    assert workflow.executed_actions() == [True]
