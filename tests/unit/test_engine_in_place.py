"""Failed jobs that run again while others of their workflow run."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from tests.rigs.driven_worker import Worker, start_worker
from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import ApprovalLimits, RecoverySettings, RoundOutcome
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import GIB, MIB
from torc_watch.daemon.watch_history import watches_of
from torc_watch.torc.requests import NewJob

if TYPE_CHECKING:
    from tests.conftest import Ending, Forward, OpenSite, Site
    from torc_watch.core.past_watch import PastRound

pytestmark = pytest.mark.looptime

LACK: "Ending" = (137, 80 * MIB, 10.0)  # of memory
ERROR: "Ending" = (3, None, 10.0)
INTERRUPTION: "Ending" = (-15, None, 10.0)
LONG: "Ending" = (0, None, 600.0)
FIXED = RecoverySettings(sizing=SizingPolicy.FIXED)
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


def rounds(site: "Site", workflow_id: int) -> tuple["PastRound", ...]:
    (watch,) = watches_of(site.directory, workflow_id)
    return watch.rounds


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
        assert paths.count("/jobs") <= 6  # lists
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


@asynccontextmanager
async def watched_with_worker(
    open_site: "OpenSite", jobs: Sequence[str], **changes: Any
) -> AsyncIterator[tuple["Site", int, Worker]]:
    """All jobs run; the watch has made its first poll."""
    after = changes.pop("after", None)
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(jobs, after=after, allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        tasks.start_soon(partial(site.watch, workflow_id, **changes))
        await anyio.sleep(5)
        yield site, workflow_id, worker
        tasks.cancel_scope.cancel()


async def statuses(site: "Site", workflow_id: int) -> dict[str, tuple[str, int]]:
    """And the attempts, by the job's name."""
    jobs = await site.client.list_jobs(workflow_id)
    return {job.name: (job.status.value, job.attempt) for job in jobs}


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


@pytest.mark.parametrize(
    "settings",
    [
        RecoverySettings(in_place=False),
        RecoverySettings(max_retries=0),
        RecoverySettings(approval=ApprovalLimits(jobs=1000)),
        None,
    ],
)
async def test_no_retry_where_the_user_wants_none(
    open_site: "OpenSite", settings: RecoverySettings | None
) -> None:
    async with watched_with_worker(open_site, ["other", "a"], recovery=settings) as opened:
        site, workflow_id, worker = opened
        await worker.fail("a")
        await anyio.sleep(600)
        assert (await statuses(site, workflow_id))["a"] == ("failed", 1)
        told = [each.reason for each in site.seen(events.InPlaceOff)]
        has_limits = settings is not None and settings.approval.jobs
        assert told == (["plans wait for approval"] if has_limits else [])


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


async def test_job_that_a_user_resets_meanwhile_is_the_users(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a", "b"]) as opened:
        site, workflow_id, worker = opened
        a = worker.jobs["a"].job.id

        async def reset(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if request.method == "POST":  # the first change: the new row
                site.line.fault = None
                await site.client.set_job_status(a, JobStatus.READY, 1)
            return await forward(request)

        site.line.fault = reset
        await worker.fail("a")
        await worker.fail("b")
        await anyio.sleep(5)
        found = await statuses(site, workflow_id)
        assert found == {"other": ("running", 1), "a": ("ready", 1), "b": ("ready", 2)}
        assert [each for each in changes(site) if each[1].startswith(f"{a}/")] == []


async def test_job_that_a_worker_took_again_meanwhile_is_not_taken_from_it(
    open_site: "OpenSite",
) -> None:
    """A user resets it after it was read for the last time: then its attempt is another."""
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        a = worker.jobs["a"].job.id

        async def retry(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if "/retry/" in request.url.path:
                site.line.fault = None
                await site.client.retry_job(a, run_id=1, attempt=1)
                assert await worker.claim() == ["a"]
            return await forward(request)

        site.line.fault = retry
        await worker.fail("a")
        await anyio.sleep(5)
        assert (await statuses(site, workflow_id))["a"] == ("running", 2)
        assert [each.outcome for each in rounds(site, workflow_id)] == [RoundOutcome.CONTINUED]


async def test_run_of_another_program_ends_the_round(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):

        async def bump(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if request.method == "POST":
                site.line.fault = None
                path = f"/workflows/{workflow_id}/reset_status"
                await site.client.transport.post(path, force="true")
            return await forward(request)

        site.line.fault = bump
        await worker.fail("a")
        await anyio.sleep(5)
        assert [each.outcome for each in rounds(site, workflow_id)] == [RoundOutcome.ABANDONED]
        assert (await statuses(site, workflow_id))["a"] == ("failed", 1)
        (abandoned,) = site.seen(events.RecoveryAbandoned)
        assert "is in run 2" in abandoned.reason


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


async def test_job_of_an_allocation_that_a_user_canceled_waits(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        second = await start_worker(site, workflow_id, 98)
        second.jobs = {"a": worker.jobs["a"]}
        site.scheduler.ends[98] = AllocationStatus(
            state=AllocationState.GONE, cause=EndCause.CANCELED, canceled_by="ada"
        )
        site.scheduler.known_states[98] = AllocationState.GONE
        await second.end("a", JobStatus.TERMINATED, 143)
        await anyio.sleep(600)
        assert (await statuses(site, workflow_id))["a"] == ("terminated", 1)


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


KIND = [f"a{number}" for number in range(6)]


async def fail_all(worker: Worker, *, seconds: float = 10.0) -> None:
    for name in KIND:
        await worker.fail(name, seconds=seconds)


def retried(site: "Site") -> list[set[str]]:
    """By plan."""
    return [
        {each.job_name for each in event.plan.retries}
        for event in site.seen(events.RecoveryPlanned)
    ]


async def test_jobs_wait_for_their_scout_and_follow_when_it_completes(
    open_site: "OpenSite",
) -> None:
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, workflow_id, worker):
        await fail_all(worker, seconds=1000)
        await anyio.sleep(5)
        assert retried(site) == [{"a3"}]
        assert await worker.claim() == ["a3"]
        await anyio.sleep(300)
        assert retried(site) == [{"a3"}]
        await worker.end("a3", JobStatus.COMPLETED, peak=150 * MIB)
        await anyio.sleep(65)  # no event tells of it
        assert retried(site) == [{"a3"}, set(KIND) - {"a3"}]
        memory = {name: row.memory for name, row in (await site.requirements(workflow_id)).items()}
        assert {memory[name] for name in set(KIND) - {"a3"}} == {180 * MIB}


@pytest.mark.parametrize("code", [137, 3])
async def test_jobs_do_not_wait_for_a_scout_that_failed(open_site: "OpenSite", code: int) -> None:
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, _, worker):
        await fail_all(worker)
        await anyio.sleep(5)
        await worker.claim()
        await worker.fail("a3", code=code)
        await anyio.sleep(5)
        assert retried(site)[1] >= set(KIND) - {"a3"}


async def test_jobs_do_not_wait_for_a_scout_that_is_late(open_site: "OpenSite") -> None:
    """It runs for more than twice as long as they did until they were killed."""
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, _, worker):
        await fail_all(worker, seconds=200)
        await anyio.sleep(5)
        await worker.claim()
        await anyio.sleep(330)
        assert retried(site) == [{"a3"}]
        await anyio.sleep(200)
        assert retried(site) == [{"a3"}, set(KIND) - {"a3"}]


async def test_new_watch_knows_the_scout_that_runs(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await site.submit(["other", *KIND], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        for name in KIND:
            await worker.fail(name, seconds=1000)
        with anyio.move_on_after(50):
            await site.watch(workflow_id)
        await worker.claim()
        with anyio.move_on_after(300):
            await site.watch(workflow_id)
        assert retried(site) == [{"a3"}]


async def test_waiting_jobs_of_the_kind_are_raised_before_they_start(
    open_site: "OpenSite",
) -> None:
    after = {f"b{number}": "other" for number in range(5)}
    async with watched_with_worker(open_site, ["other", "b8", "b9"], after=after) as opened:
        site, workflow_id, worker = opened
        await worker.fail("b8")
        await worker.end("b9", JobStatus.COMPLETED, peak=50 * MIB)
        await anyio.sleep(65)
        memory = {
            name: row.memory or 0 for name, row in (await site.requirements(workflow_id)).items()
        }
        assert all(memory[name] > 64 * MIB for name in after)
        assert memory["other"] == 64 * MIB
        (planned,) = site.seen(events.RecoveryPlanned)
        assert {each.job_name for each in planned.plan.raises} == set(after)
