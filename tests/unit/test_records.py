"""Events as records: sentences for users, levels and fields for the journal."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from torc_watch.core import events
from torc_watch.core.cause import Cause
from torc_watch.core.events import Event, Verdict
from torc_watch.core.recovery_round import Plan, Retry
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action
from torc_watch.daemon.daemon_events import DaemonEvent
from torc_watch.daemon.lease_rules import Holder
from torc_watch.logs import records
from torc_watch.logs.records import (
    LogLevel,
    level_of,
    message_id,
    records_of,
)

TOKEN = "torc-wf42-1.1"  # noqa: S105 - no password
HOLDER = Holder(
    host="login02",
    boot="b",
    namespace="n",
    pid=7,
    started=1,
    version="1",
    since="2026-01-01T00:00:00+00:00",
)
RETRY = Retry(
    job_id=17,
    job_name="train\n7",
    cause=Cause.OOM,
    reason="peak 65m",
    memory=(64, 99),
    runtime=None,
)
PLAN = Plan(
    workflow_id=42,
    run_id=3,
    number=2,
    retries=(RETRY,),
    uninitialized=0,
    left_alone=(),
    adjustments=(),
    scheduler_config_id=None,
    allocations=(),
    repeated=(),
)


def test_plan_has_its_round_its_run_and_each_job() -> None:
    of_plan = list(records_of(events.RecoveryPlanned(workflow_id=42, plan=PLAN), "http://a"))

    assert all(
        record.fields
        == {
            "EVENT": "recovery.planned",
            "MESSAGE_ID": message_id("recovery.planned"),
            "TORC_SERVER": "http://a",
            "WORKFLOW_ID": "42",
            "ROUND": "2",
            "TORC_RUN_ID": "3",
        }
        for record in of_plan[:-1]
    )
    assert of_plan[-1].fields["JOB_ID"] == "17"
    assert [record.is_of_job for record in of_plan[-2:]] == [False, True]
    assert of_plan[-1].message == "[42] train\\n7 is retried: peak 65m"


@pytest.mark.parametrize(
    ("event", "level", "message"),
    [
        (
            events.WatchPostponed(workflow_id=42, reason="Refused.", retry_in=8.4),
            LogLevel.WARNING,
            "[42] Refused. Retrying in 8s.",
        ),
        (
            daemon_events.CommandRefused(workflow_id=42, verb=Action.PAUSE),
            LogLevel.WARNING,
            "[42] pause: refused, not in the daemon's list. Add it first: torc-watchd add 42",
        ),
        (
            events.WatchEnded(workflow_id=42, verdict=Verdict.SUCCEEDED),
            LogLevel.NOTICE,
            "[42] Ended: succeeded.",
        ),
        (
            events.WatchEnded(workflow_id=42, verdict=Verdict.STUCK, reason="Nothing runs."),
            LogLevel.ERROR,
            "[42] Ended: stuck.",
        ),
        (
            events.AllocationSubmitted(
                workflow_id=42, scheduler="slurm", scheduler_id=99, token=TOKEN
            ),
            LogLevel.NOTICE,
            "[42] Submitted Slurm allocation 99 (torc-wf42-1.1)",
        ),
    ],
)
def test_record_of_a_workflow_event(event: Event, level: LogLevel, message: str) -> None:
    record = next(iter(records_of(event, "http://a")))

    assert (record.level, record.message) == (level, message)


def test_only_a_slurm_allocation_has_a_slurm_job_id() -> None:
    submitted = events.AllocationSubmitted(
        workflow_id=42, scheduler="slurm", scheduler_id=99, token=TOKEN
    )
    (record,) = records_of(submitted, "http://a")
    (local,) = records_of(replace(submitted, scheduler="local"), "http://a")

    assert record.fields["SLURM_JOB_ID"] == "99"
    assert "SLURM_JOB_ID" not in local.fields


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (daemon_events.LeaseTaken(workflows=3), "This torc-watchd is active. Workflows: 3."),
        (
            daemon_events.LeaseHeldElsewhere(holder=HOLDER),
            (
                "Standing by: the daemon on login02 holds the lease "
                "(process 7, since 2026-01-01T00:00:00+00:00)."
            ),
        ),
        (
            daemon_events.LeaseHeldElsewhere(holder=None),
            "Standing by: the record of the active daemon cannot be read.",
        ),
        (
            daemon_events.CommandUnreadable(problem="It is longer than 9 bytes.", kept="/x/a"),
            "Invalid command in the spool. It is longer than 9 bytes. It was moved to /x/a.",
        ),
        (
            daemon_events.StateTrouble(reason="No space.", retry_in=8),
            "No space. Retrying in 8s.",
        ),
        (
            daemon_events.StopRequested(signal="SIGTERM"),
            "Stopping on SIGTERM, after the rounds in progress.",
        ),
        (daemon_events.ConfigurationRead(), "The configuration was reloaded."),
        (daemon_events.ConfigurationRead(problem="No."), "The configuration was not reloaded: No."),
    ],
)
def test_record_of_a_daemon_event(event: DaemonEvent, message: str) -> None:
    (record,) = records_of(event, None)

    assert record.message == message
    assert record.fields == {"EVENT": event.name, "MESSAGE_ID": message_id(event.name)}


def test_message_ids_are_stable() -> None:
    """Users filter with them in journalctl."""
    assert message_id("watch.ended") == "a78a415bc0b25087a5148967622b41ef"


def test_routine_poll_is_a_debug_event() -> None:
    assert level_of(events.Polled(workflow_id=1, next_in=60)) is LogLevel.DEBUG


SEVERAL_LEVELS = {
    events.WatchEnded: "notice, error",
    daemon_events.ConfigurationRead: "info, warning",
}


@pytest.mark.parametrize("kind", [*get_args(Event), *get_args(DaemonEvent)])
def test_every_event_is_in_the_docs(kind: type[Event | DaemonEvent]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "logs.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.name}` |")]
    level = SEVERAL_LEVELS.get(kind, records._LEVELS.get(kind, LogLevel.INFO).name.lower())
    assert row.startswith(f"| `{kind.name}` | {level} | `{message_id(kind.name)}` |")


def test_record_of_a_watch_does_not_speak_of_counts_that_nobody_asked_for() -> None:
    started = events.WatchStarted(
        workflow_id=42, poll_interval=60, auto_recover=True, max_retries=3, show_job_counts=True
    )
    (record,) = records_of(started, "s")
    assert record.message == (
        "[42] Watching workflow 42 (poll interval: 60s, auto-recover enabled, max retries: 3)"
    )
