"""Rounds of recovery keep away from nodes that fail jobs, over all workflows of the user."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Ending
from torc_watch.core import events
from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause
from torc_watch.core.events import Verdict
from torc_watch.core.node_incident import NodeIncident
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.units import GIB
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import Diagnosis
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.this_machine import ThisMachine

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

FAST: Ending = (1, None, 5.0)
NODES = NodeClass(num_cpus=10, memory=8 * GIB, count=20, names=frozenset({"n1", "n2", "n3", "n4"}))


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Cause, str]]:
    """The cause of each failed job, and its node, by its name."""
    found: dict[str, tuple[Cause, str]] = {}
    diagnose = FailureSearch.diagnose

    async def diagnose_on_nodes(search: FailureSearch, *args: Any) -> Diagnosis:
        seen = await diagnose(search, *args)
        return replace(
            seen,
            findings=tuple(
                replace(each, cause=found[each.job.name][0], node=found[each.job.name][1])
                for each in seen.findings
            ),
        )

    monkeypatch.setattr(FailureSearch, "diagnose", diagnose_on_nodes)
    return found


def incidents(site: "Site") -> list[NodeIncident]:
    with closing(Journal(site.directory / "journal.db")) as journal:
        return journal.incidents.all()


def excluded(site: "Site") -> list[tuple[str, ...]]:
    """Of each plan, all allocations of which are alike."""
    return [
        allocation.excluded_nodes
        for planned in site.seen(events.RecoveryPlanned)
        for allocation in planned.plan.allocations[:1]
    ]


async def fail(site: "Site", name: str, times: int = 1, **settings: Any) -> Verdict:
    site.scheduler.nodes = (NODES,)
    site.scheduler.endings = {name: [FAST] * times}
    workflow_id = await site.submit([name])
    recovery = RecoverySettings(**settings)
    return (await site.watch(workflow_id, recovery=recovery)).verdict


async def test_failed_node_is_excluded_for_all_workflows(
    open_site: "OpenSite", failures: dict[str, tuple[Cause, str]]
) -> None:
    failures |= {"a": (Cause.NODE, "n3"), "b": (Cause.PREEMPTED, "n2")}
    async with open_site(scheduler_type="slurm") as site:
        assert await fail(site, "a") is Verdict.SUCCEEDED
        assert await fail(site, "b") is Verdict.SUCCEEDED

        assert excluded(site) == [("n3",), ("n3",)]
        (found,) = incidents(site)
        assert (found.node, found.cluster, found.cause) == ("n3", "ridge", Cause.NODE)
        assert (found.workflow_id, found.job_name) == (1, "a")


async def test_incidents_of_workflows_without_recovery_count(
    open_site: "OpenSite", failures: dict[str, tuple[Cause, str]]
) -> None:
    failures["a"] = (Cause.GPU, "n3")
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [FAST]}
        workflow_id = await site.submit(["a"])
        ended = await site.watch(workflow_id, recovery=None)
        assert ended.verdict is Verdict.FAILED
        assert [each.node for each in incidents(site)] == ["n3"]


@pytest.mark.parametrize(
    ("cause", "settings", "expected"),
    [
        pytest.param(Cause.FILE_SYSTEM, {}, [("n3",), ("n3",)], id="tried elsewhere each time"),
        pytest.param(Cause.CODE, {}, [("n3",)], id="confirmed elsewhere"),
        pytest.param(Cause.PREEMPTED, {}, [()], id="not the node's fault"),
        pytest.param(Cause.GPU, {"exclude_nodes": False}, [(), ()], id="as the user wants"),
    ],
)
async def test_round_tries_elsewhere(
    open_site: "OpenSite",
    failures: dict[str, tuple[Cause, str]],
    cause: Cause,
    settings: Mapping[str, Any],
    expected: list[tuple[str, ...]],
) -> None:
    failures["a"] = (cause, "n3")
    async with open_site(scheduler_type="slurm") as site:
        await fail(site, "a", len(expected), **settings)
        assert excluded(site) == expected


@pytest.mark.parametrize(
    ("hostnames", "counts"),
    [
        pytest.param({1: "host3", 2: "host4"}, [True], id="succeeded elsewhere"),
        pytest.param({1: "host3", 2: "host3"}, [], id="succeeded there as well"),
    ],
)
async def test_fast_failure_counts_when_its_job_succeeded_elsewhere(
    open_site: "OpenSite",
    failures: dict[str, tuple[Cause, str]],
    hostnames: dict[int, str],
    counts: list[bool],
) -> None:
    """Hosts may have other names than Slurm has for them."""
    failures["a"] = (Cause.CODE, "n3")
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.hostnames = hostnames
        assert await fail(site, "a") is Verdict.SUCCEEDED
        assert [each.counts for each in incidents(site)] == counts


async def test_fast_failure_of_a_job_that_always_fails_does_not_count(
    open_site: "OpenSite", failures: dict[str, tuple[Cause, str]]
) -> None:
    failures["a"] = (Cause.CODE, "n3")
    async with open_site(scheduler_type="slurm") as site:
        assert await fail(site, "a", 9) is Verdict.HANDED_OVER
        assert {each.counts for each in incidents(site)} == {False}


@pytest.mark.parametrize("here", ["local", "slurm"])
async def test_nothing_is_recorded_of_workflows_outside_of_slurm(
    open_site: "OpenSite",
    failures: dict[str, tuple[Cause, str]],
    monkeypatch: pytest.MonkeyPatch,
    here: str,
) -> None:
    failures["a"] = (Cause.NODE, "n3")
    async with open_site(scheduler_type="local") as site:
        cluster = Cluster.of(site.scheduler, machine=ThisMachine())
        both = {"local": cluster.default, here: cluster.default}
        monkeypatch.setattr(Cluster, "of", lambda *_, **__: replace(cluster, schedulers=both))
        assert await fail(site, "a") is Verdict.SUCCEEDED
        assert incidents(site) == []
