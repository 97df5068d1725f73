"""Rounds of workflows whose node hours are limited."""

from typing import TYPE_CHECKING

import pytest

from tests.rigs.virtual_clock import VirtualClock
from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.units import MIB

if TYPE_CHECKING:
    from tests.conftest import OpenSite

pytestmark = pytest.mark.looptime

HOUR = 3600.0
FAILURE = (1, None, HOUR)  # the row of the workflow asks for an hour for each allocation
OOM = (137, 64 * MIB, HOUR)


@pytest.fixture(autouse=True)
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are there for as long as their jobs take."""
    monkeypatch.setattr("torc_watch.torc.client.datetime", VirtualClock)


@pytest.mark.parametrize(
    ("limit", "rounds"),
    [
        pytest.param(None, 3, id="no-limit"),
        pytest.param(5.0, 3, id="enough"),
        pytest.param(3.5, 2, id="one-too-many"),
        pytest.param(1.5, 0, id="too-little"),
    ],
)
async def test_round_that_would_exceed_them_is_refused(
    open_site: "OpenSite", limit: float | None, rounds: int
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [FAILURE] * 9}
        workflow_id = await site.submit(["a"])
        settings = RecoverySettings(max_node_hours=limit)
        ended = await site.watch(workflow_id, recovery=settings)

    assert len(site.seen(events.RecoveryPlanned)) == rounds
    if rounds == 3:
        assert ended.verdict is Verdict.EXHAUSTED
    else:
        assert ended.verdict is Verdict.HANDED_OVER
        assert f"of the {limit:g} node hours that it may use" in ended.reason
        assert f"torc-watchd set {workflow_id} --max-node-hours" in ended.reason
        assert ended.evidence


async def test_limit_that_is_raised_lets_the_watch_go_on(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [OOM]}
        workflow_id = await site.submit(["a"])
        refused = await site.watch(workflow_id, recovery=RecoverySettings(max_node_hours=1.5))
        ended = await site.watch(workflow_id, recovery=RecoverySettings(max_node_hours=4))

    assert refused.verdict is Verdict.HANDED_OVER
    assert ended.verdict is Verdict.SUCCEEDED


async def test_without_a_limit_nothing_is_asked_for(open_site: "OpenSite") -> None:
    asked = []
    for limit in (None, 99.0):
        async with open_site(f"site-{limit}", scheduler_type="slurm") as site:
            site.scheduler.endings = {"a": [FAILURE]}
            workflow_id = await site.submit(["a"])
            await site.watch(workflow_id, recovery=RecoverySettings(max_node_hours=limit))
            asked.append(sum(path == "/compute_nodes" for _, _, path in site.line.sent))
    assert asked[0] < asked[1]
