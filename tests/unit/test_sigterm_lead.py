"""The time that Torc's runner gives its jobs, so that it reports them before Slurm kills it."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_engine_scheduler_errors import FailingScheduler, end_of_first_worker
from torc_watch.core import events
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.core.events import Verdict
from torc_watch.core.sigterm_lead import TORCS_LEAD, fitting_lead

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site


@pytest.mark.parametrize(
    ("kill_wait", "lead"),
    [
        (0, 1),
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 2),
        (9, 4),
        (10, 5),
        (20, 15),
        (30, 25),
        (34, 29),
        (35, None),
        (60, None),
        (65_533, None),
    ],
)
def test_lead_fits_into_kill_wait(kill_wait: int, lead: int | None) -> None:
    assert fitting_lead(kill_wait) == lead


@given(st.integers(min_value=2, max_value=65_533))
def test_lead_leaves_time_to_report_and_is_not_longer_than_torcs(kill_wait: int) -> None:
    lead = fitting_lead(kill_wait)
    assert 1 <= (lead or TORCS_LEAD) < kill_wait
    assert (lead or TORCS_LEAD) <= TORCS_LEAD
    assert (fitting_lead(kill_wait + 1) or TORCS_LEAD) >= (lead or TORCS_LEAD)


async def row_of(site: "Site", workflow_id: int) -> dict[str, Any]:
    row: dict[str, Any] = await site.client.transport.get(f"/workflows/{workflow_id}")
    return row


async def configure(site: "Site", workflow_id: int, config: dict[str, Any]) -> None:
    body = {"name": "w", "user": "ada", "execution_config": config}
    await site.client.transport.put(f"/workflows/{workflow_id}", body=body)


def sent(site: "Site", workflow_id: int) -> list[str]:
    """Changes of the workflow, and of its allocations."""
    paths = (f"/workflows/{workflow_id}", "/scheduled_compute_nodes")
    return [f"{method} {path}" for _, method, path in site.line.sent if path in paths]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, {"sigterm_lead_seconds": 25}),
        ({"oom_exit_code": 99}, {"oom_exit_code": 99, "sigterm_lead_seconds": 25}),
        ({"mode": "direct"}, {"mode": "direct", "sigterm_lead_seconds": 25}),
        ({"sigterm_lead_seconds": 300}, {"sigterm_lead_seconds": 300}),
        ({"sigterm_lead_seconds": 0}, {"sigterm_lead_seconds": 0}),
        ({"mode": "slurm"}, {"mode": "slurm"}),
        ({"mode": "auto"}, {"mode": "auto"}),
    ],
)
async def test_workflow_gets_a_lead_unless_it_has_one_or_slurm_ends_its_jobs(
    open_site: "OpenSite", config: dict[str, Any] | None, expected: dict[str, Any]
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        if config is not None:
            await configure(site, workflow_id, config)
        site.scheduler.seconds_to_kill = 30
        before = await row_of(site, workflow_id)
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        after = await row_of(site, workflow_id)
        assert after == before | {"execution_config": expected, "run_id": 2}
        told = [each.seconds for each in site.seen(events.SigtermLeadSet)]
        assert told == ([25] if expected != config else [])


@pytest.mark.looptime
async def test_lead_is_set_once_and_before_the_submission(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [(1, None, 1.0)] * 2}
        workflow_id = await site.submit(["a"])
        await site.scheduler.rest()
        site.scheduler.seconds_to_kill = 2
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        changes = [line for line in sent(site, workflow_id) if not line.startswith("GET")]
        submitted = "POST /scheduled_compute_nodes"
        assert changes == [f"PUT /workflows/{workflow_id}", submitted, submitted]


@pytest.mark.looptime
@pytest.mark.parametrize("seconds", [None, 60])
async def test_row_is_left_alone_where_torcs_lead_fits(
    open_site: "OpenSite", seconds: int | None
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        site.scheduler.seconds_to_kill = seconds
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        assert "execution_config" not in await row_of(site, workflow_id)


@pytest.mark.looptime
@pytest.mark.parametrize("api_version", ["0.12"])
async def test_row_of_0_12_has_no_lead(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        site.scheduler.seconds_to_kill = 30
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        assert f"PUT /workflows/{workflow_id}" not in sent(site, workflow_id)


@pytest.mark.looptime
@pytest.mark.parametrize("status", [403, 404, 405, 422, 500])
async def test_refused_lead_does_not_stop_the_round(open_site: "OpenSite", status: int) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        site.scheduler.seconds_to_kill = 30

        async def refuse(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if request.method == "PUT" and request.url.path.endswith(f"/workflows/{workflow_id}"):
                return httpx.Response(status, json={"message": "no such field"})
            return await forward(request)

        site.line.fault = refuse
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        (refused,) = site.seen(events.SigtermLeadRefused)
        assert refused.reason
        assert site.seen(events.SigtermLeadSet) == []


@pytest.mark.looptime
async def test_unknown_kill_wait_does_not_stop_the_round(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        failing = FailingScheduler(site.scheduler, "kill_wait", SchedulerError("not said"), times=9)
        assert (await site.watch(workflow_id, failing)).verdict is Verdict.SUCCEEDED
        assert [each.reason for each in site.seen(events.SigtermLeadRefused)] == ["not said"]


@pytest.mark.looptime
@pytest.mark.parametrize("config", [{"sigterm_lead_seconds": 30}, {"mode": "slurm"}])
async def test_scheduler_is_not_asked_for_what_does_not_matter(
    open_site: "OpenSite", config: dict[str, Any]
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        await configure(site, workflow_id, config)
        failing = FailingScheduler(site.scheduler, "kill_wait", SchedulerError("not said"), times=1)
        assert (await site.watch(workflow_id, failing)).verdict is Verdict.SUCCEEDED
        assert failing.times == 1


@pytest.mark.looptime
async def test_lead_is_set_when_the_scheduler_answers_again(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        site.scheduler.seconds_to_kill = 30
        silent = FailingScheduler(site.scheduler, "kill_wait", SchedulerUnreachable("no answer"))
        assert (await site.watch(workflow_id, silent)).verdict is Verdict.SUCCEEDED
        assert silent.times == 0
        config = (await row_of(site, workflow_id))["execution_config"]
        assert config == {"sigterm_lead_seconds": 25}
