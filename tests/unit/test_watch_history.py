"""Reading the journal without changing it, and its text for users."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.json_shapes import assert_documented
from torc_watch.core.cause import Cause
from torc_watch.core.errors import JournalError
from torc_watch.core.past_watch import PastRound
from torc_watch.core.recovery_round import Plan, Retry, RoundOutcome, Step
from torc_watch.core.units import GIB
from torc_watch.core.workflow_key import WorkflowIdentity, WorkflowKey
from torc_watch.daemon.commands import Action, Command, WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import Spool
from torc_watch.daemon.watch_history import known_workflows, watches_of
from torc_watch.engine.database import MIGRATIONS
from torc_watch.engine.journal import Journal
from torc_watch.render.history_text import history_text, history_values, rounds_text

A = WorkflowIdentity(server="http://a", workflow_id=42, created="2026-01-01")
RETRY = Retry(
    job_id=3,
    job_name="train",
    cause=Cause.OOM,
    reason="killed with 137",
    memory=(8 * GIB, 12 * GIB),
)
PLAN = Plan(
    workflow_id=42,
    run_id=1,
    number=1,
    retries=(RETRY,),
    uninitialized=0,
    repeated=(),
    left_alone=(),
    adjustments=(),
    scheduler_config_id=None,
    allocations=(),
)


@pytest.fixture
def home(quick_path: Path) -> Path:
    """A watch that ended after one round, and one of another server during its first round."""
    with closing(Journal(quick_path / "journal.db")) as journal:
        first = journal.begin_watch(A)
        round_ = journal.begin_round(first.id, number=1, run_id=1)
        journal.begin_step(round_, Step.ORPHANS)
        journal.begin_step(round_, Step.PLAN)
        journal.record_plan(round_, PLAN)
        journal.end_round(round_, RoundOutcome.RESUBMITTED)
        journal.end_watch(first.id, "handed_over", "None may be retried.")
        second = journal.begin_watch(replace(A, server="http://b"))
        round_ = journal.begin_round(second.id, number=1, run_id=4)
        for step in (Step.ORPHANS, Step.DIAGNOSE):
            journal.begin_step(round_, step)
    return quick_path


def test_watches_are_read_with_their_rounds(home: Path) -> None:
    ended, unended = watches_of(home, 42)

    assert (ended.server, ended.verdict) == ("http://a", "handed_over")
    assert (ended.reason, unended.reason) == ("None may be retried.", "")
    assert [(each.outcome, each.plan) for each in ended.rounds] == [("resubmitted", PLAN)]
    assert (unended.server, unended.ended, unended.verdict) == ("http://b", None, None)
    assert [(each.run_id, each.last_step) for each in unended.rounds] == [(4, "diagnose")]
    assert watches_of(home, 43) == []


def test_text_of_the_history(home: Path) -> None:
    lines = list(history_text(watches_of(home, 42)))

    assert [line[21:] for line in lines if line.startswith("2")] == [
        "Watch of workflow 42 on http://a",
        f"Round 1, after run 1: resubmitted at {lines[1][11:19]}",
        "Ended: handed over. None may be retried.",
        "Watch of workflow 42 on http://b",
        "Round 1, after run 4: in progress at step 'diagnose'",
    ]
    assert "  Job 3 (train): OOM detected, increasing memory 8g -> 12g (killed with 137)" in lines
    assert lines[-1] == "Still running."


PAST = PastRound(
    number=1,
    run_id=1,
    began="2026-01-01T12:00:00+00:00",
    ended="2026-01-01T12:00:01+00:00",
    outcome="resubmitted",
    last_step="allocate",
    plan=None,
)


@pytest.mark.parametrize(
    ("round_", "text"),
    [
        pytest.param({}, "Round 2, after run 2: resubmitted at ??:00:01", id="carried-out"),
        pytest.param(
            {
                "outcome": "postponed",
                "reason": "to run 1 job again: network unwell",
                "until": "2026-01-01T12:08:00+00:00",
            },
            "After run 2: postponed until 2026-01-01 ??:08 to run 1 job again: network unwell",
            id="postponed",
        ),
        pytest.param(
            {"outcome": "refused", "reason": "None\nmay be retried."},
            r"After run 2: refused at ??:00:01: None\nmay be retried.",
            id="refused",
        ),
        pytest.param(
            {"outcome": "abandoned", "reason": "Another process started workers."},
            "Round 2, after run 2: abandoned at ??:00:01: Another process started workers.",
            id="abandoned",
        ),
        pytest.param(
            {"outcome": "postponed"}, "After run 2: postponed at ??:00:01", id="earlier-version"
        ),
        pytest.param(
            {"outcome": None, "ended": None, "last_step": "plan"},
            "Round 2, after run 2: in progress at step 'plan'",
            id="in-progress",
        ),
    ],
)
def test_rounds_that_were_not_carried_out_have_a_reason(round_: dict[str, Any], text: str) -> None:
    waited = replace(PAST, number=2, outcome="postponed")
    last = replace(PAST, number=3, run_id=2, **round_)
    first, _, line = rounds_text([PAST, waited, last])
    assert "Round 1, after run 1" in first
    assert fnmatchcase(line[21:], text)


def test_round_beside_others_is_told_as_such() -> None:
    plan = replace(PLAN, in_place=True, uses_retry=False)
    title, *lines = rounds_text([replace(PAST, run_id=2, outcome="continued", plan=plan)])
    assert title[21:].startswith("Round 1, in run 2, while others ran: continued at ")
    assert not any("Run 3 starts" in line or "free" in line for line in lines)


def test_reason_of_a_round_is_kept(tmp_path: Path) -> None:
    identity = WorkflowIdentity(server="s", workflow_id=7, created="then")
    until = datetime(2026, 1, 1, tzinfo=UTC)
    with closing(Journal(tmp_path / "journal.db")) as journal:
        watch = journal.begin_watch(identity)
        for number, outcome in enumerate((RoundOutcome.POSTPONED, RoundOutcome.REFUSED), start=1):
            round_ = journal.begin_round(watch.id, number=number, run_id=1)
            round_.reason, round_.until = "because", until
            journal.end_round(round_, outcome)
        assert journal.begin_watch(identity).past.used == 0
    (past,) = watches_of(tmp_path, 7)
    assert {(each.reason, each.until) for each in past.rounds} == {("because", until.isoformat())}


def test_json_values_of_the_history(home: Path) -> None:
    watches = json.loads(json.dumps(history_values(watches_of(home, 42))))
    assert_documented("history", {"version": 1, "watches": watches})
    first = watches[0]
    assert first["rounds"][0]["plan"]["retries"][0]["memory"] == [8 * GIB, 12 * GIB]


def test_plan_of_another_version_is_omitted(home: Path) -> None:
    with closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute("UPDATE step SET record = '{}' WHERE record IS NOT NULL")
        database.commit()
    assert watches_of(home, 42)[0].rounds[0].plan is None


def test_known_workflows_are_those_in_the_journal_and_in_the_spool(home: Path) -> None:
    chosen = WatchOptions(max_retries=5)
    with closing(Registry(home / "journal.db")) as registry:
        registry.save(
            WatchedWorkflow(
                server="http://a", workflow_id=42, options=chosen, state=WatchState.PAUSED
            )
        )
    spool = Spool(home / "spool")
    spool.put(Command(action=Action.ADD, server="http://b", workflow_id=43))
    spool.put(Command(action=Action.PAUSE, server="http://b", workflow_id=44))

    known = known_workflows(home)
    assert {key: workflow.state for key, workflow in known.items()} == {
        WorkflowKey("http://a", 42): WatchState.PAUSED,
        WorkflowKey("http://b", 43): WatchState.WATCHED,
    }
    assert known[WorkflowKey("http://a", 42)].options == chosen


def test_pending_commands_count_as_applied(home: Path) -> None:
    spool = Spool(home / "spool")
    for action in (Action.ADD, Action.PAUSE):
        spool.put(Command(action=action, server="http://b", workflow_id=43))
    spool.put(
        Command(
            action=Action.SET,
            server="http://b",
            workflow_id=43,
            options=WatchOptions(max_retries=7),
        )
    )
    assert known_workflows(home) == {
        WorkflowKey("http://b", 43): WatchedWorkflow(
            server="http://b",
            workflow_id=43,
            options=WatchOptions(max_retries=7),
            state=WatchState.PAUSED,
        )
    }
    spool.put(Command(action=Action.REMOVE, server="http://b", workflow_id=43))
    assert known_workflows(home) == {}


def test_records_of_another_version_are_unreadable(home: Path) -> None:
    with closing(Registry(home / "journal.db")) as registry:
        registry.save(
            WatchedWorkflow(
                server="http://a",
                workflow_id=42,
                options=WatchOptions(),
                state=WatchState.WATCHED,
            )
        )
    with closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute("""UPDATE entry SET choices = '{"max_retries": "many"}'""")
        database.execute("UPDATE step SET name = 'negotiate' WHERE name = 'orphans'")
        database.commit()

    assert known_workflows(home)[WorkflowKey("http://a", 42)].state is WatchState.UNREADABLE
    assert watches_of(home, 42)[0].rounds[0].last_step == Step.PLAN


def test_reading_creates_nothing(tmp_path: Path) -> None:
    assert watches_of(tmp_path, 42) == []
    assert known_workflows(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_journal_of_an_earlier_version_is_not_migrated(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        database.executescript(";".join(MIGRATIONS[:version]))
        database.execute(
            "INSERT INTO watch (server, workflow_id, created, began) VALUES ('s', 7, 'then', '')"
        )
        database.commit()
    before = (tmp_path / "journal.db").read_bytes()

    assert known_workflows(tmp_path) == {}
    assert [watch.reason for watch in watches_of(tmp_path, 7)] == [""]

    assert (tmp_path / "journal.db").read_bytes() == before


def test_damaged_journal_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"no database" * 1000)
    with pytest.raises(JournalError, match="is damaged: file is not a database"):
        watches_of(tmp_path, 42)
