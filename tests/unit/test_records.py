"""Events as the journal and people get them."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from torc_watch.core import events
from torc_watch.core.decisions import Retry
from torc_watch.core.diagnosis import Cause
from torc_watch.core.events import Event, Verdict
from torc_watch.core.policy import Plan
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import Action
from torc_watch.daemon.daemon_events import DaemonEvent
from torc_watch.daemon.lease_rules import Holder
from torc_watch.logs.records import (
    LogLevel,
    level_of,
    message_id,
    record_of_daemon,
    records_of_workflow,
)

TOKEN = "torc-wf42-1.1"  # noqa: S105 - not of that kind
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


def test_a_plan_names_its_round_its_run_and_each_job() -> None:
    records = list(
        records_of_workflow(events.RecoveryPlanned(workflow_id=42, plan=PLAN), "http://a")
    )

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
        for record in records[:-1]
    )
    assert records[-1].fields["JOB_ID"] == "17"
    assert records[-1].message == "[42] train\\n7 runs again: peak 65m"


@pytest.mark.parametrize(
    ("event", "level", "message"),
    [
        (
            events.WatchPostponed(workflow_id=42, reason="Refused.", retry_in=8.4),
            LogLevel.WARNING,
            "[42] Refused. Trying again in 8s.",
        ),
        (
            daemon_events.CommandRefused(workflow_id=42, verb=Action.PAUSE),
            LogLevel.WARNING,
            "[42] pause: not known here. Add it first: torc-watchd add 42",
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
            "[42] Submitted slurm allocation 99 (torc-wf42-1.1)",
        ),
    ],
)
def test_what_is_said_of_a_workflow(event: Event, level: LogLevel, message: str) -> None:
    record = next(iter(records_of_workflow(event, "http://a")))

    assert (record.level, record.message) == (level, message)


def test_an_allocation_of_slurm_is_found_by_its_number() -> None:
    submitted = events.AllocationSubmitted(
        workflow_id=42, scheduler="slurm", scheduler_id=99, token=TOKEN
    )
    (record,) = records_of_workflow(submitted, "http://a")
    (local,) = records_of_workflow(replace(submitted, scheduler="local"), "http://a")

    assert record.fields["SLURM_JOB_ID"] == "99"
    assert "SLURM_JOB_ID" not in local.fields


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (daemon_events.LeaseTaken(workflows=3), "This torc-watchd acts from now on. Workflows: 3."),
        (
            daemon_events.LeaseHeldElsewhere(holder=HOLDER),
            "Standing by: lease at login02 (process 7, since 2026-01-01T00:00:00+00:00).",
        ),
        (
            daemon_events.LeaseHeldElsewhere(holder=None),
            "Standing by: the lease is held by somebody whose record cannot be read.",
        ),
        (daemon_events.ConfigurationRead(), "The configuration was read again."),
        (daemon_events.ConfigurationRead(problem="No."), "The configuration stays as it was: No."),
    ],
)
def test_what_the_daemon_says_of_itself(event: DaemonEvent, message: str) -> None:
    record = record_of_daemon(event)

    assert record.message == message
    assert record.fields == {"EVENT": event.name, "MESSAGE_ID": message_id(event.name)}


def test_message_ids_are_stable() -> None:
    """People put them into their journalctl commands."""
    assert message_id("watch.ended") == "a78a415bc0b25087a5148967622b41ef"


def test_routine_is_for_debugging() -> None:
    assert level_of(events.Polled(workflow_id=1, next_in=60)) is LogLevel.DEBUG


@pytest.mark.parametrize("kind", [*get_args(Event), *get_args(DaemonEvent)])
def test_every_event_stands_in_the_docs(kind: type[Event | DaemonEvent]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "logs.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.name}` |")]
    assert f"`{message_id(kind.name)}`" in row
