"""Rounds that wait until what ails the jobs may have passed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.rigs.daemon import ME, DaemonRig, running
from torc_watch.core import events
from torc_watch.core.cause import Cause
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.job_output import stdio_name
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.daemon.commands import Action
from torc_watch.daemon.watch_history import watches_of
from torc_watch.engine import room_probe

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

MINUTE = 60.0
FAILURE = (1, None, 10.0)
STALE = "OSError: [Errno 116] Stale file handle: '/projects/in.csv'\n"
FULL = "OSError: [Errno 28] No space left on device: '/scratch/out.h5'\n"


def write(site: "Site", text: str, *, jobs: Sequence[int] = (1,), runs: int = 1) -> None:
    """What jobs write in each of their first ``runs``."""
    for job_id in jobs:
        for run_id in range(1, runs + 1):
            name = stdio_name(workflow_id=1, job_id=job_id, run_id=run_id, attempt=1, stream="e")
            path = site.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def plans(site: "Site") -> list[Plan]:
    return [event.plan for event in site.seen(events.RecoveryPlanned)]


def starts_of_rounds(site: "Site") -> list[float]:
    """Minutes between the beginning and each round that was carried out."""
    return [
        round(at / MINUTE)
        for at, method, path in site.line.sent
        if (method, path.rpartition("/")[2]) == ("POST", "scheduled_compute_nodes")
    ]


async def test_pauses_grow_from_retry_to_retry(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 9}
        workflow_id = await site.submit(["a"])
        write(site, STALE, runs=9)
        ended = await site.watch(workflow_id, recovery=RecoverySettings(max_retries=9))
        rounds = starts_of_rounds(site)

    assert [plan.retries[0].cause for plan in plans(site)] == [Cause.FILE_SYSTEM] * 3
    first, second, third = (
        after - before for before, after in zip([0, *rounds], rounds, strict=False)
    )
    assert 2 <= first <= 4
    assert 8 <= second <= 12
    assert 30 <= third <= 35
    assert ended.verdict is Verdict.HANDED_OVER
    assert "it was run again 3 times, in vain" in ended.evidence[0].reason


async def test_waiting_costs_polls_only(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 2}
        workflow_id = await site.submit(["a"])
        write(site, STALE, runs=2)
        await site.watch(workflow_id, poll_interval=10)
        waits = [event.waits_until for event in site.seen(events.Polled)]

    assert len(site.seen(events.RetryPostponed)) == 2
    assert sum(wait is not None for wait in waits) > 40
    results = [path for _, method, path in site.line.sent if (method, path) == ("GET", "/results")]
    assert len(results) < 20


async def test_wait_survives_a_restart(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 2}
        workflow_id = await site.submit(["a"])
        write(site, STALE, runs=2)
        while len(site.seen(events.RetryPostponed)) < 2:
            with anyio.move_on_after(30):
                await site.watch(workflow_id)
        first = site.seen(events.RetryPostponed)[-1]
        for _ in range(3):
            with anyio.move_on_after(30):
                await site.watch(workflow_id)
        told = {event.until.replace(microsecond=0) for event in site.seen(events.RetryPostponed)}
        ended = await site.watch(workflow_id)
        before, after = starts_of_rounds(site)[-2:]
        (watch,) = watches_of(site.directory, workflow_id)

    assert first.reason == "to run 1 job again: file system unwell"
    assert len(told) <= 2
    assert 8 <= after - before <= 12
    assert ended.verdict is Verdict.SUCCEEDED
    assert [each.outcome for each in watch.rounds].count("continued") == 2
    assert watch.rounds[0].outcome == "postponed"
    assert watch.rounds[0].reason == first.reason
    assert watch.rounds[0].until


async def test_server_need_not_count_statuses_without_jobs(open_site: "OpenSite") -> None:
    async def leave_out(request: httpx.Request, forward: "Forward") -> httpx.Response:
        answer = await forward(request)
        if not request.url.path.endswith("/status"):
            return answer
        row = answer.json()
        counts = {status: jobs for status, jobs in row["jobs_by_status"].items() if jobs}
        return httpx.Response(200, json=row | {"jobs_by_status": counts})

    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE]}
        workflow_id = await site.submit(["a"])
        write(site, STALE)
        site.line.fault = leave_out
        ended = await site.watch(workflow_id)

    assert len(site.seen(events.RetryPostponed)) == 1
    assert ended.verdict is Verdict.SUCCEEDED


async def test_person_who_asks_waits_for_nothing(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE]}
        workflow_id = await site.submit(["a"])
        write(site, STALE)
        with anyio.move_on_after(90):
            await site.watch(workflow_id)
        assert site.seen(events.RetryPostponed)
        settings = RecoverySettings(max_retries=None, after_repair=True)
        ended = await site.watch(workflow_id, recovery=settings, once=True)

    assert anyio.current_time() < 100
    assert ended.verdict is Verdict.RESUBMITTED


async def test_watch_that_begins_after_the_failure_waits_for_nothing(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE]}
        workflow_id = await site.submit(["a"])
        write(site, STALE)
        ended = await site.watch(workflow_id, recovery=None)
        assert ended.verdict is Verdict.FAILED
        await site.watch(workflow_id, goes_at_once=True)

    assert not site.seen(events.RetryPostponed)


async def test_jobs_that_need_not_wait_go_first(open_site: "OpenSite") -> None:
    """The first pause is short enough for all to go together; the second is not."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 2, "b": [FAILURE] * 2}
        workflow_id = await site.submit(["a", "b"])
        write(site, STALE, runs=2)
        write(site, "", jobs=(2,), runs=2)
        ended = await site.watch(workflow_id, recovery=RecoverySettings(max_retries=9))

    together, without, later = plans(site)
    assert [each.job_id for each in together.retries] == [1, 2]
    assert [each.job_id for each in without.retries] == [2]
    assert "it is too early to run it again" in without.left_alone[0].reason
    assert [each.job_id for each in later.retries] == [1]
    assert ended.verdict is Verdict.SUCCEEDED


class Disk:
    """The file system of the jobs, as it is asked for room."""

    def __init__(self) -> None:
        self.has_room = False
        self.asked: list[float] = []

    def __call__(self, _: Path, **__: bool) -> bool:
        self.asked.append(anyio.current_time())
        return self.has_room


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(room_probe, "has_free_room", disk)
    return disk


async def test_full_file_system_is_waited_for(open_site: "OpenSite", disk: Disk) -> None:
    async with open_site() as site, anyio.create_task_group() as tasks:
        site.scheduler.endings = {"a": [FAILURE]}
        workflow_id = await site.submit(["a"])
        write(site, FULL)
        ended: list[WatchEnded] = []

        async def watch() -> None:
            ended.append(await site.watch(workflow_id, poll_interval=120))

        tasks.start_soon(watch)
        await anyio.sleep(3 * 60 * MINUTE)
        (told,) = site.seen(events.RetryPostponed)
        assert told.reason == "for free space, to run 1 job again: file system full"
        assert not ended
        disk.has_room = True
        await anyio.sleep(5 * MINUTE)
        assert [each.verdict for each in ended] == [Verdict.SUCCEEDED]

    assert len(disk.asked) < 3 * 30 + 20


@pytest.mark.usefixtures("disk")
async def test_file_system_that_stays_full_is_handed_over(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE]}
        workflow_id = await site.submit(["a"])
        write(site, FULL)
        ended = await site.watch(workflow_id, poll_interval=1800)

    assert 24 <= anyio.current_time() / 3600 < 24.6
    assert ended.verdict is Verdict.HANDED_OVER
    assert ended.evidence[0].reason.endswith("files could not be written for 24 hours")
    assert not plans(site)


async def postponed(site: "Site", times: int) -> None:
    """Returns when so many rounds were."""
    with anyio.fail_after(3600):
        while len(site.seen(events.RetryPostponed)) < times:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(1)


async def test_user_who_resets_the_job_meanwhile_is_noticed(open_site: "OpenSite") -> None:
    """The round that waits was planned for a failed job."""
    async with open_site() as site, anyio.create_task_group() as tasks:
        site.scheduler.endings = {"a": [FAILURE] * 2}
        workflow_id = await site.submit(["a", "b"])
        write(site, STALE, runs=2)
        tasks.start_soon(site.watch, workflow_id)
        await postponed(site, 2)
        job, _ = await site.client.list_jobs(workflow_id)
        await site.client.set_job_status(job.id, status=JobStatus.UNINITIALIZED, run_id=2)
        await anyio.sleep(300)
        _, plan = plans(site)
        tasks.cancel_scope.cancel()

    assert (plan.retries, plan.uninitialized) == ((), 1)


@pytest.mark.usefixtures("no_threads")
async def test_resume_ends_the_wait(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 2}
        await site.submit(["a"])
        write(site, STALE, runs=2)
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        async with running(daemon):
            await postponed(site, 2)
            await anyio.sleep(100)
            daemon.send(Action.RESUME)
            before = anyio.current_time()
            await daemon.until_ended(1)
        assert anyio.current_time() - before < 200
        assert [view.verdict for view in daemon.last_views] == ["succeeded"]


async def test_waiting_jobs_outlast_rounds_that_others_use_up(open_site: "OpenSite") -> None:
    """Unknown failures run again in every round; the others would come too late."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 3, "b": [FAILURE] * 9}
        workflow_id = await site.submit(["a", "b"])
        write(site, STALE, runs=9)
        write(site, "", jobs=(2,), runs=9)
        ended = await site.watch(workflow_id)
        (job, _) = await site.client.list_jobs(workflow_id)

    assert job.status is JobStatus.COMPLETED
    assert [plan.uses_retry for plan in plans(site)] == [True, True, True, False]
    assert [[each.job_id for each in plan.retries] for plan in plans(site)][-2:] == [[2], [1]]
    assert ended.verdict is Verdict.EXHAUSTED


@pytest.mark.usefixtures("no_threads")
async def test_pause_does_not_end_the_wait(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 2}
        await site.submit(["a"])
        write(site, STALE, runs=2)
        daemon = DaemonRig(site, ME)
        daemon.send(Action.ADD)
        async with running(daemon):
            await postponed(site, 2)
            daemon.send(Action.PAUSE)
            await anyio.sleep(60)
            daemon.send(Action.RESUME)
            await postponed(site, 3)
            before, after = site.seen(events.RetryPostponed)[1:]
            await daemon.until_ended(1)

    assert abs((after.until - before.until).total_seconds()) < 1


@pytest.mark.usefixtures("no_threads")
async def test_daemon_that_is_restarted_goes_on_waiting(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 2}
        await site.submit(["a"])
        write(site, STALE, runs=2)
        first = DaemonRig(site, ME)
        first.send(Action.ADD)
        async with running(first):
            await postponed(site, 2)
        began = anyio.current_time()
        second = DaemonRig(site, ME)
        async with running(second):
            await postponed(site, 3)
            await second.until_ended(1)
        before, after = site.seen(events.RetryPostponed)[1:]

    assert abs((after.until - before.until).total_seconds()) < 1
    assert anyio.current_time() - began > 400
    assert [view.verdict for view in second.last_views] == ["succeeded"]
