"""Plans of both for Kestrel, whose profile both have, and whose nodes have 104 CPUs.

0.12.2 counts as many jobs in a row as the partition has time for, though it asks for less time.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from torc_watch.core.walltime import parse_walltime

if TYPE_CHECKING:
    from tests.peers.conftest import Site, Workflow

Allocations = tuple[int, int]  # their number, and the minutes of each


def _torcs(site: "Site", workflow_id: int) -> Sequence[Allocations]:
    words = ("-f", "json", "slurm", "regenerate", workflow_id, "--dry-run", "--profile", "kestrel")
    planned = json.loads(site.torc(*words).stdout)["planned_schedulers"]
    return sorted(
        (each["num_allocations"], (parse_walltime(each["walltime"]) or 0) // 60) for each in planned
    )


def _ours(site: "Site", workflow_id: int) -> Sequence[Allocations]:
    found = site.ours("slurm", "plan", workflow_id, "--profile", "kestrel", "--json")
    groups = json.loads(found.stdout)["groups"]
    return sorted((each["allocations"], each["walltime_seconds"] // 60) for each in groups)


@pytest.mark.parametrize(
    ("jobs", "runtime", "old", "new", "ours"),
    [
        (208, "PT1H", [(1, 90)], [(2, 90)], [(1, 123)]),
        (1, "PT1M", [(1, 1)], [(1, 1)], [(1, 4)]),  # 90 seconds, of which Torc's runner uses none
    ],
)
def test_plans_for_independent_jobs(
    site: "Site",
    workflow: "Workflow",
    jobs: int,
    runtime: str,
    old: Sequence[Allocations],
    new: Sequence[Allocations],
    ours: Sequence[Allocations],
) -> None:
    workflow.require("alike", runtime=runtime)
    for number in range(jobs):
        workflow.add(f"job_{number}", "alike")
    workflow.start()
    assert _torcs(site, workflow.id) == (old if site.peer.is_old else new)
    assert _ours(site, workflow.id) == ours


def test_torcs_plan_has_no_time_for_a_chain(site: "Site", workflow: "Workflow") -> None:
    workflow.require("alike", runtime="PT1H")
    for number in range(4):
        workflow.add(f"link_{number}", "alike", after=f"link_{number - 1}" if number else "")
    workflow.start()
    assert _torcs(site, workflow.id) == [(1, 90)] * (2 if site.peer.is_old else 1)
    assert _ours(site, workflow.id) == [(1, 243)]


def test_torc_plans_all_jobs_as_the_largest(site: "Site", workflow: "Workflow") -> None:
    """0.12.2 plans each kind of requirements for itself."""
    for name, memory in (("small", "1g"), ("large", "200g")):
        workflow.require(name, memory=memory, runtime="PT1H")
    for number in range(8):
        workflow.add(f"small_{number}", "small")
    workflow.add("large", "large")
    workflow.start()
    assert _torcs(site, workflow.id) == ([(1, 90)] * 2 if site.peer.is_old else [(9, 90)])
    assert _ours(site, workflow.id) == [(1, 63)]
