"""Failed jobs that run again while others of their workflow run."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.rigs.driven_worker import rounds, start_worker, statuses, watched_with_worker
from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.events import Verdict
from torc_watch.core.intervals import UNSERVED_GRACE
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.recovery_round import RecoverySettings, RoundOutcome
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import GIB, MIB
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements

if TYPE_CHECKING:
    from tests.conftest import Ending, OpenSite, Site

pytestmark = pytest.mark.looptime

LACK: "Ending" = (137, 80 * MIB, 10.0)  # of memory
LONG: "Ending" = (0, None, 600.0)
FIXED = RecoverySettings(sizing=SizingPolicy.FIXED, in_place=True)
BOTH_VERSIONS = pytest.mark.parametrize("api_version", ["0.12", "1.0"])


async def submit(
    site: "Site",
    endings: dict[str, Sequence["Ending"]],
    *,
    after: dict[str, str] | None = None,
) -> int:
    """A workflow whose job ``other`` runs for ten minutes, and a second worker that stays idle."""
    site.scheduler.endings = {"other": [LONG], **endings}
    site.scheduler.idle_limit = 1000.0
    return await site.submit(["other", *endings, *(after or {})], after=after, allocations=2)


def changes(site: "Site") -> list[tuple[str, str]]:
    """Of jobs, in order: the method and the end of the path."""
    return [
        (method, path.removeprefix("/jobs/"))
        for _, method, path in site.line.sent
        if method != "GET" and path.startswith("/jobs/")
    ]


async def without_stream(request: httpx.Request) -> httpx.Response:
    return httpx.Response(404, request=request)


@BOTH_VERSIONS
async def test_job_that_lacked_memory_runs_again_at_once(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, {"a": [LACK]})
        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(workflow_id) == [("a", 1, 0), ("a", 1, 137), ("other", 1, 0)]
        assert (await site.requirements(workflow_id))["a"].memory == 120 * MIB
        (retried,) = [time for time, _, path in site.line.sent if "/retry/" in path]
        assert 10 < retried <= 12
        (planned,) = site.seen(events.RecoveryPlanned)
        assert planned.plan.in_place
        (round_,) = rounds(site, workflow_id)
        assert round_.outcome == RoundOutcome.CONTINUED
        assert not site.seen(events.RecoveryAttempted)


async def test_without_events_it_runs_again_after_one_poll_interval(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, {"a": [LACK]})
        monkeypatch.setattr(site.line, "open_stream", without_stream)
        await site.watch(workflow_id)
        (retried,) = [time for time, _, path in site.line.sent if "/retry/" in path]
        assert 50 < retried < 61
        assert len(await site.results(workflow_id)) == 3


@BOTH_VERSIONS
async def test_canceled_dependents_wait_again_before_the_job_is_ready(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, {"a": [LACK]}, after={"b": "a", "c": "b"})
        monkeypatch.setattr(site.line, "open_stream", without_stream)  # they are canceled by then
        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        ran = [name for name, run, code in await site.results(workflow_id) if code == 0]
        assert ran == ["a", "b", "c", "other"]
        ids = {job.name: job.id for job in await site.client.list_jobs(workflow_id)}
        assert changes(site) == [
            ("PUT", f"{ids['a']}"),
            ("PUT", f"{ids['a']}/manage_status_change/running/1"),
            ("PUT", f"{ids['b']}/manage_status_change/blocked/1"),
            ("PUT", f"{ids['c']}/manage_status_change/blocked/1"),
            ("POST", f"{ids['a']}/retry/1"),
        ]


@BOTH_VERSIONS
async def test_dependents_are_not_lost_that_are_canceled_later(open_site: "OpenSite") -> None:
    """The server has not looked at them when the job is retried."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, {"a": [LACK]}, after={"b": "a"})
        ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.SUCCEEDED
        assert "b" in {name for name, *_ in await site.results(workflow_id)}
        assert len(rounds(site, workflow_id)) == 1


async def test_job_behind_another_failure_stays_canceled(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a", "x"], allocations=0)
        ids = {job.name: job.id for job in await site.client.list_jobs(workflow_id)}
        row = (await site.client.list_requirements(workflow_id))[-1].id
        new = [
            NewJob(
                name=name,
                command="true",
                requirements_id=row,
                depends_on_job_ids=tuple(ids[parent] for parent in parents),
            )
            for name, parents in {"of_both": "ax", "of_a": "a"}.items()
        ]
        await site.client.create_jobs(workflow_id, new)
        await site.client.initialize_jobs(workflow_id)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("x", code=3)
        await worker.fail("a")
        await anyio.sleep(40)
        assert (await statuses(site, workflow_id))["of_both"] == ("canceled", 1)
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(10)
        found = await statuses(site, workflow_id)
        assert found["a"] == ("ready", 2)
        assert found["of_a"] == ("blocked", 1)
        assert found["of_both"] == ("canceled", 1)
        tasks.cancel_scope.cancel()


async def test_dependent_that_is_canceled_after_the_count_is_found(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    count = TorcClient.count_jobs

    async def before_it_was_canceled(client: TorcClient, workflow_id: int) -> JobCounts:
        found = dict((await count(client, workflow_id)).by_status)
        found[JobStatus.BLOCKED] = found.pop(JobStatus.CANCELED, 0)
        return JobCounts(found)

    monkeypatch.setattr(TorcClient, "count_jobs", before_it_was_canceled)
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a", "b"], after={"b": "a"}, allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        await anyio.sleep(40)
        assert (await statuses(site, workflow_id))["b"] == ("canceled", 1)
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        found = await statuses(site, workflow_id)
        assert (found["a"], found["b"]) == (("ready", 2), ("blocked", 1))
        tasks.cancel_scope.cancel()


async def test_hundred_failures_in_a_second_are_one_batch(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        names = [f"a{number}" for number in range(100)]
        workflow_id = await site.submit(["other", *names], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        tasks.start_soon(partial(site.watch, workflow_id, recovery=FIXED))
        await anyio.sleep(10)
        before = len(site.line.sent)
        for name in names:
            await worker.fail(name)
            await anyio.sleep(0.01)
        await anyio.sleep(5)
        (planned,) = site.seen(events.RecoveryPlanned)
        assert len(planned.plan.retries) == 100
        assert len(site.seen(events.Polled)) <= 3
        paths = [path for _, _, path in site.line.sent[before:]]
        assert sum("/retry/" in path for path in paths) == 100
        assert paths.count("/jobs") <= 10  # lists, however many failed
        tasks.cancel_scope.cancel()


async def test_long_series_of_failures_does_not_poll_for_each(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        names = [f"a{number}" for number in range(100)]
        workflow_id = await site.submit(["other", *names], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        for name in names:
            await worker.fail(name, code=3)
            await anyio.sleep(0.2)
        assert len(site.seen(events.Polled)) <= 22
        assert not site.seen(events.RecoveryPlanned)
        tasks.cancel_scope.cancel()


async def test_failed_jobs_that_wait_cost_one_request_a_poll(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        await worker.fail("a", code=3)
        await anyio.sleep(100)
        before = len(site.line.sent)
        await anyio.sleep(600)
        asked = [path for _, _, path in site.line.sent[before:]]
        polls = asked.count("/scheduled_compute_nodes")
        assert polls >= 9
        of_poll = [f"/workflows/{workflow_id}", "/scheduled_compute_nodes"]
        assert asked == [*of_poll, f"/workflows/{workflow_id}/status", "/jobs"] * polls


async def test_no_retry_after_the_last_one(open_site: "OpenSite") -> None:
    """The round of the workflow at rest does not retry it either."""
    settings = RecoverySettings(max_retries=2)
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, {"a": [LACK] * 9})
        ended = await site.watch(workflow_id, recovery=settings)
        assert ended.verdict is Verdict.HANDED_OVER
        assert ended.rounds_used == 0
        (job,) = ended.evidence
        assert job.reason.endswith("; it was retried twice while others ran, in vain")
        assert [name for name, *_ in await site.results(workflow_id)].count("a") == 3


async def test_interrupted_job_runs_again_in_another_allocation(open_site: "OpenSite") -> None:
    """Of those that are left none takes it: one is submitted, without a grace."""
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        second = await start_worker(site, workflow_id, 98)
        second.jobs = {"a": worker.jobs["a"]}
        await second.end("a", JobStatus.TERMINATED, 143)
        await anyio.sleep(60)
        assert (await statuses(site, workflow_id))["a"] == ("terminated", 1)
        site.scheduler.ends[98] = AllocationStatus(
            state=AllocationState.GONE, cause=EndCause.PREEMPTED
        )
        site.scheduler.known_states[98] = AllocationState.GONE
        await anyio.sleep(65)
        assert (await statuses(site, workflow_id))["a"] == ("ready", 2)


async def test_allocation_that_fits_is_submitted_at_once(open_site: "OpenSite") -> None:
    """The job requests more than those have that are there."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, {"a": [(137, 900 * MIB, 10.0)]})
        ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.SUCCEEDED
        *_, more = site.scheduler.requests
        assert len(site.scheduler.requests) == 3
        assert more.spec.memory > GIB
        (submitted,) = [
            time
            for time, method, path in site.line.sent
            if method == "POST" and path == "/scheduled_compute_nodes"
        ]
        assert 10 < submitted < 25


async def test_job_that_an_allocation_has_room_for_waits_with_the_others(
    open_site: "OpenSite",
) -> None:
    """Others ask for all of its time, and may be over sooner."""
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit([], allocations=0)
        for names, memory, runtime in (
            ([f"b{each}" for each in range(21)], 64, 1500),
            (["a"], 64, 1600),
        ):
            asked = NewRequirements(name=names[0], memory=memory * MIB, runtime=runtime)
            row = await site.client.create_requirements(workflow_id, asked)
            new = [NewJob(name=name, command="true", requirements_id=row) for name in names]
            await site.client.create_jobs(workflow_id, new)
        await site.client.initialize_jobs(workflow_id)
        worker = await start_worker(site, workflow_id)
        assert await worker.claim(limit=1) == ["a"]
        tasks.start_soon(site.watch, workflow_id)
        await worker.fail("a")
        await anyio.sleep(UNSERVED_GRACE)
        assert (await statuses(site, workflow_id))["a"] == ("ready", 2)
        assert not site.scheduler.requests
        await anyio.sleep(200)
        assert site.scheduler.requests
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("in_place", "rounds_used"), [(None, 1), (True, 0)])
async def test_on_this_machine_only_where_the_user_wants_it(
    open_site: "OpenSite", in_place: bool | None, rounds_used: int
) -> None:
    settings = RecoverySettings(in_place=in_place)
    async with open_site() as site:
        workflow_id = await submit(site, {"a": [LACK]})
        ended = await site.watch(workflow_id, recovery=settings)
        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.RecoveryAttempted)) == rounds_used
