"""How much more a failed job requests, and which other jobs change."""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.conftest import Site, Workflow

GIB = 1 << 30
_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_torc_0_12_lowers_memory_after_a_missed_peak(site: "Site", workflow: "Workflow") -> None:
    """0.2: a job with 8 GiB was killed (137), and the sampled peak is 3 GiB."""
    workflow.require("big", memory="8g")
    workflow.add("spike", "big")
    workflow.start()
    workflow.fail("spike", 137, peak_memory_bytes=3 * GIB)
    (raised,) = site.dry_run(workflow.id)["result"]["adjustments"]
    assert raised["new_memory"] == ("5g" if site.peer.is_old else "12g")
    (retry,) = site.plan(workflow.id)["plan"]["retries"]
    assert retry["memory"] == [8 * GIB, 12 * GIB]


def test_torc_lowers_a_run_time_below_two_minutes(site: "Site", workflow: "Workflow") -> None:
    """Not in the table of claims: Torc truncates to whole minutes, so 75 s become 60 s."""
    workflow.require("short", runtime="PT75S")
    workflow.add("slow", "short")
    workflow.start()
    workflow.fail("slow", 152, minutes=1.25)
    (raised,) = site.dry_run(workflow.id)["result"]["adjustments"]
    assert raised["new_runtime"] == "PT1M"
    (retry,) = site.plan(workflow.id)["plan"]["retries"]
    assert retry["runtime"] == [75, 150]


@pytest.fixture
def shared(make_workflow: "Callable[[], Workflow]") -> "Callable[[], Workflow]":
    """Makes workflows of two jobs that share their requirements: one failed, one completed."""

    def make() -> "Workflow":
        workflow = make_workflow()
        workflow.add("hungry")
        workflow.add("fine")
        workflow.start()
        workflow.claim()
        workflow.run("hungry", "fine")
        workflow.end("hungry", 137)
        workflow.end("fine")
        return workflow

    return make


def test_torc_raises_shared_requirements_for_all_their_jobs(
    site: "Site", shared: "Callable[[], Workflow]"
) -> None:
    """0.3: jobs that had enough then request more, too."""
    theirs, ours = shared(), shared()
    assert site.recover(theirs.id).returncode == 0
    assert theirs.requested == {"hungry": ("2g", "PT10M"), "fine": ("2g", "PT10M")}
    assert site.ours("recover", ours.id).returncode == 0
    assert ours.requested == {"hungry": ("1536m", "PT10M"), "fine": ("1g", "PT10M")}


def test_torc_requests_more_than_any_node_has(site: "Site", workflow: "Workflow") -> None:
    """0.3: Torc plans no allocation for the raised request; we hand over."""
    workflow.require("huge", memory=f"{_MEMORY >> 10}k")
    workflow.add("huge", "huge")
    workflow.start()
    workflow.fail("huge", 137)
    result = site.dry_run(workflow.id)["result"]
    (raised,) = result["adjustments"]
    assert int(raised["new_memory"].removesuffix("g")) * GIB > 1.4 * _MEMORY
    assert result["slurm_dry_run"]["total_allocations"] == 0
    refusal = site.plan(workflow.id)["refusal"]
    assert refusal["kind"] == "nothing_to_retry"
    assert "the most that a node has" in refusal["left_alone"][0]["reason"]
