"""The metrics file, read by Prometheus' own parser."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client.parser import text_fd_to_metric_families

from tests.rigs.daemon import ME
from tests.unit.test_news import PLAN, SPEC
from torc_watch.app.metrics_desk import MetricsDesk
from torc_watch.config.settings import Settings
from torc_watch.core import events
from torc_watch.core.cause import Cause
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.recovery_round import Retry
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.daemon_events import DaemonEvent, MetricsUnwritten, NewsFailed, NewsSent
from torc_watch.daemon.event_counts import EventCounts
from torc_watch.daemon.lease import Lease
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.workflow_view import AllocationsView, Phase, WorkflowView
from torc_watch.news.metrics_file import DaemonMetrics, write_metrics

SERVER = "http://torc/torc-service/v1"
NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)
ENDLESS = replace(PLAN, allocations=(replace(SPEC, runtime=None),))
VIEW = WorkflowView(
    server=SERVER,
    workflow_id=42,
    name='tr"ain\\\n7',
    phase=Phase.WATCHING,
    counts={"completed": 95, "failed": 5},
    round=2,
    max_retries=3,
    allocations=AllocationsView(queued=1, running=4),
)


def metrics(*views: WorkflowView, counts: EventCounts | None = None) -> DaemonMetrics:
    return DaemonMetrics(
        user="ada",
        holder=ME,
        at=NOW,
        active_since=NOW,
        is_active=True,
        workflows=views,
        counts=counts or EventCounts(),
    )


def samples(path: Path) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By name and labels but the user, whom each has."""
    found = {}
    with path.open() as file:
        for family in text_fd_to_metric_families(file):
            for sample in family.samples:
                labels = dict(sample.labels)
                assert labels.pop("user") == "ada"
                found[sample.name, frozenset(labels.items())] = sample.value
    return found


def labeled(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


def of_workflow(**labels: str) -> frozenset[tuple[str, str]]:
    return labeled(server=SERVER, workflow_id="42", **labels)


def test_what_an_operator_graphs(tmp_path: Path) -> None:
    counts = EventCounts()
    counts.count(events.PollFailed(workflow_id=42, reason="", retry_in=1), SERVER)
    counts.count(WatchEnded(workflow_id=7, verdict=Verdict.EXHAUSTED), SERVER)
    for each in (PLAN, ENDLESS, replace(PLAN, scheduler_type="local")):
        counts.count(events.RecoveryPlanned(workflow_id=42, plan=each), SERVER)
    retry = Retry(job_id=1, job_name="a", cause=Cause.OOM, reason="")
    in_place = replace(PLAN, in_place=True, retries=(retry, retry))
    counts.count(events.RecoveryPlanned(workflow_id=42, plan=in_place), SERVER)
    counts.count_of_daemon(NewsSent(channel="mail", news=3, subject=""))
    counts.count_of_daemon(NewsFailed(channel="mail", news=2, reason="", retry_in=None))
    counts.count_of_daemon(NewsFailed(channel="mail", news=9, reason="", retry_in=30))
    counts.last_poll[WorkflowKey(SERVER, 42)] = NOW
    path = tmp_path / "torc.prom"
    write_metrics(path, metrics(VIEW, counts=counts))

    found = samples(path)
    expected = {
        ("torc_watch_active", labeled()): 1,
        ("torc_watch_written_timestamp_seconds", labeled()): NOW.timestamp(),
        ("torc_watch_build_info", labeled(version=ME.version, host=ME.host)): 1,
        ("torc_watch_workflows", labeled(phase="watching")): 1,
        ("torc_watch_workflows", labeled(phase="ended")): 0,
        ("torc_watch_workflow_info", of_workflow(name=VIEW.name)): 1,
        ("torc_watch_jobs", of_workflow(status="failed")): 5,
        ("torc_watch_allocations", of_workflow(state="queued")): 1,
        ("torc_watch_allocations", of_workflow(state="running")): 4,
        ("torc_watch_rounds_used", of_workflow()): 2,
        ("torc_watch_rounds_allowed", of_workflow()): 3,
        ("torc_watch_last_poll_timestamp_seconds", of_workflow()): NOW.timestamp(),
        ("torc_watch_polls_failed_total", labeled(server=SERVER)): 1,
        ("torc_watch_watches_ended_total", labeled(verdict="exhausted")): 1,
        ("torc_watch_news_sent_total", labeled()): 3,
        ("torc_watch_news_failed_total", labeled()): 2,
        ("torc_watch_retries_in_place_total", labeled()): 2,
        ("torc_watch_rounds_planned_total", labeled()): 3,
        ("torc_watch_node_hours_planned_total", labeled()): 4 + 365 * 24 * 2,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_thousand_workflows_take_a_moment(tmp_path: Path) -> None:
    views = [VIEW.__class__(server=SERVER, workflow_id=n, counts=VIEW.counts) for n in range(1000)]
    began = time.thread_time()
    write_metrics(tmp_path / "torc.prom", metrics(*views))
    assert time.thread_time() - began < 1
    assert (tmp_path / "torc.prom").stat().st_size < 2_000_000


@pytest.fixture
def announced() -> list[DaemonEvent]:
    return []


@pytest.mark.looptime
@pytest.mark.usefixtures("no_threads")
async def test_file_is_written_each_minute_and_says_that_the_daemon_stopped(
    tmp_path: Path, announced: list[DaemonEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder" / "torc.prom"
    desk = desk_for(tmp_path, path, announced.append)
    written: list[bool] = []

    def write(to: Path, values: Any) -> None:
        written.append(values.is_active)
        write_metrics(to, values)

    monkeypatch.setattr("torc_watch.app.metrics_desk.write_metrics", write)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.run)
        await anyio.sleep(150)
        assert len(announced) == 1, "a problem is reported once"
        assert isinstance(announced[0], MetricsUnwritten)
        assert str(path) in announced[0].reason

        path.parent.mkdir()
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    await desk.write_last()

    assert written == [True] * 4 + [False]
    assert samples(path)["torc_watch_active", labeled()] == 0


async def test_without_a_file_nothing_is_written(
    tmp_path: Path, announced: list[DaemonEvent]
) -> None:
    await desk_for(tmp_path, None, announced.append).write_last()
    assert announced == []


def desk_for(home: Path, path: Path | None, announce: Callable[[DaemonEvent], None]) -> MetricsDesk:
    settings = Settings(home=home, metrics_file=path, username="ada")
    return MetricsDesk(lambda: settings, StatusBoard(), Lease(home / "lease", ME), announce)
