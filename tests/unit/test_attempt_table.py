"""The attempts in the journal: of one workflow each, over restarts, versions and damage."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_sized_attempts import COMPLETED, LACKED, plan_of, retry
from torc_watch.core.errors import JournalError, LeaseLost
from torc_watch.core.recovery_round import Plan, RoundOutcome, Step
from torc_watch.core.sized_attempts import AttemptNews, ScoutStart, key_of
from torc_watch.core.units import GIB
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.retention import prune
from torc_watch.daemon.stored_attempts import StoredAttempts, attempts_of
from torc_watch.engine.database import MIGRATIONS, Database
from torc_watch.engine.journal import Journal

WORKFLOW = WorkflowIdentity(server="http://a", workflow_id=42, created="2026-11-29")
NEWS = AttemptNews(recorded=(LACKED, COMPLETED))
BEFORE_ATTEMPTS = 8  # the version of journals without their table
STEPS_OF_ROUNDS = (Step.PLAN, Step.ADJUST, Step.RESET)


@pytest.fixture
def path(quick_path: Path) -> Path:
    return quick_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def begin_round(
    journal: Journal, plan: Plan, *, reaches: Step = Step.RESET, number: int = 1
) -> None:
    round_ = journal.begin_round(
        journal.begin_watch(WORKFLOW).id, number=number, run_id=plan.run_id
    )
    for step in STEPS_OF_ROUNDS[: STEPS_OF_ROUNDS.index(reaches) + 1]:
        journal.begin_step(round_, step)
        if step is Step.PLAN:
            journal.record_plan(round_, plan)
    journal.end_round(round_, RoundOutcome.FAILED)


READ = """
import sys
from pathlib import Path
from tests.unit.test_attempt_table import NEWS, WORKFLOW
from torc_watch.engine.journal import Journal
assert set(Journal(Path(sys.argv[1])).attempts.of(WORKFLOW)) == set(NEWS.recorded)
"""


def test_another_process_reads_what_the_first_one_wrote(path: Path, journal: Journal) -> None:
    journal.attempts.record(WORKFLOW, NEWS)
    subprocess.run([sys.executable, "-c", READ, str(path)], check=True, timeout=60)
    assert set(attempts_of(path.parent, WORKFLOW).attempts) == set(NEWS.recorded)


@pytest.mark.parametrize(
    "amounts",
    [
        {"memory": None, "runtime": None, "peak": None, "ran": None},
        {"peak": 0, "ran": 0.0},
        {"peak": 8 * GIB, "ran": 0.25},
        {"is_scout": True},
        {"kind": replace(LACKED.kind, requirements=None)},
    ],
)
def test_attempts_are_read_as_they_were_recorded(journal: Journal, amounts: dict[str, Any]) -> None:
    attempt = replace(LACKED, **amounts)
    journal.attempts.record(WORKFLOW, AttemptNews(recorded=(attempt,)))
    assert journal.attempts.of(WORKFLOW) == (attempt,)


def test_amounts_that_no_job_has_do_not_stop_a_round(journal: Journal) -> None:
    absurd = replace(LACKED, memory=2**80, runtime=2**63, peak=1e300, ran=float("inf"))
    journal.attempts.record(WORKFLOW, AttemptNews(recorded=(absurd,)))
    unknown = {"memory": None, "runtime": None, "peak": None, "ran": None}
    assert journal.attempts.of(WORKFLOW) == (replace(LACKED, **unknown),)  # type: ignore[arg-type]


def test_later_records_take_the_place_of_earlier_ones(journal: Journal) -> None:
    journal.attempts.record(WORKFLOW, NEWS)
    changed = replace(LACKED, peak=9 * GIB)
    news = AttemptNews(recorded=(changed,), deleted=(key_of(COMPLETED),))
    for _ in range(2):
        journal.attempts.record(WORKFLOW, news)
        assert journal.attempts.of(WORKFLOW) == (changed,)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(WORKFLOW, server="http://b"), id="on another server"),
        pytest.param(replace(WORKFLOW, created="2026-12-01"), id="created anew"),
        pytest.param(replace(WORKFLOW, workflow_id=43), id="another one"),
    ],
)
def test_workflows_have_their_own_attempts(
    path: Path, journal: Journal, other: WorkflowIdentity
) -> None:
    begin_round(journal, plan_of(retry(7, is_scout=True)))
    journal.attempts.record(WORKFLOW, NEWS)
    journal.attempts.record(other, AttemptNews(deleted=(key_of(LACKED),)))

    assert journal.attempts.of(other) == ()
    assert journal.attempts.scout_starts(other) == frozenset()
    assert attempts_of(path.parent, other) == StoredAttempts()
    assert len(journal.attempts.of(WORKFLOW)) == 2


@pytest.mark.parametrize(
    ("reaches", "starts"),
    [
        pytest.param(Step.PLAN, set(), id="planned"),
        pytest.param(Step.ADJUST, set(), id="abandoned before jobs were reset"),
        pytest.param(Step.RESET, {ScoutStart(job_id=7, run_id=4)}, id="jobs were reset"),
    ],
)
def test_scouts_are_those_of_rounds_that_reset_jobs(
    path: Path, journal: Journal, reaches: Step, starts: set[ScoutStart]
) -> None:
    begin_round(journal, plan_of(retry(7, is_scout=True), retry(8)), reaches=reaches)
    assert journal.attempts.scout_starts(WORKFLOW) == starts
    assert attempts_of(path.parent, WORKFLOW).scouts == starts


def test_scouts_of_all_watches_count(journal: Journal) -> None:
    begin_round(journal, plan_of(retry(7, is_scout=True)))
    journal.end_watch(journal.begin_watch(WORKFLOW).id, "exhausted")
    in_place = plan_of(retry(8, is_scout=True, attempt=1), in_place=True)
    begin_round(journal, in_place)
    begin_round(journal, plan_of(retry(9)), number=2)
    assert journal.attempts.scout_starts(WORKFLOW) == {
        ScoutStart(job_id=7, run_id=4),
        ScoutStart(job_id=8, run_id=3, attempt=2),
    }


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE step SET record = '{"is_scout":true}'""",
        "UPDATE sized_attempt SET ending = 'eaten'",
    ],
)
def test_records_of_other_versions_are_left_out(path: Path, journal: Journal, change: str) -> None:
    begin_round(journal, plan_of(retry(7, is_scout=True)))
    journal.attempts.record(WORKFLOW, NEWS)
    with closing(Database(path)) as database:
        database.write(change)
    read = journal.attempts.of(WORKFLOW), journal.attempts.scout_starts(WORKFLOW)
    assert () in read or frozenset() in read
    stored = attempts_of(path.parent, WORKFLOW)
    assert read == (stored.attempts, stored.scouts)


def test_journals_without_the_table(path: Path) -> None:
    assert attempts_of(path.parent, WORKFLOW) == StoredAttempts()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(";".join(MIGRATIONS[:BEFORE_ATTEMPTS]))
        database.execute(f"PRAGMA user_version = {BEFORE_ATTEMPTS}")
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert "news" in tables
    assert "sized_attempt" not in tables
    assert attempts_of(path.parent, WORKFLOW) == StoredAttempts()
    with closing(Journal(path)) as journal:
        assert journal.attempts.of(WORKFLOW) == ()
        journal.attempts.record(WORKFLOW, NEWS)
    assert len(attempts_of(path.parent, WORKFLOW).attempts) == 2


def test_plans_of_earlier_versions_have_no_scouts(path: Path, journal: Journal) -> None:
    begin_round(journal, plan_of(retry(7)))
    with closing(Database(path)) as database:
        database.write("UPDATE step SET record = replace(record, ',\"is_scout\":false', '')")
        (record,) = database.query_all("SELECT record FROM step WHERE name = 'plan'")
    assert "is_scout" not in record["record"]
    assert journal.attempts.scout_starts(WORKFLOW) == frozenset()


def test_a_daemon_without_the_lease_records_nothing(path: Path) -> None:
    with closing(Registry(path, "1")), closing(Journal(path, "1")) as old:
        Registry(path, "2").close()
        with pytest.raises(LeaseLost):
            old.attempts.record(WORKFLOW, NEWS)
        assert old.attempts.of(WORKFLOW) == ()


def test_all_is_recorded_or_nothing(path: Path, journal: Journal) -> None:
    journal.attempts.record(WORKFLOW, AttemptNews(recorded=(LACKED,)))
    many = tuple(replace(COMPLETED, job_id=number) for number in range(100, 5_000))
    with closing(Database(path)) as database:
        (pages,) = database.query_all("PRAGMA page_count")
    journal._database.write(f"PRAGMA max_page_count = {pages[0] + 3}")  # as a full disk
    with pytest.raises(JournalError, match="full"):
        journal.attempts.record(WORKFLOW, AttemptNews(recorded=many, deleted=(key_of(LACKED),)))
    assert journal.attempts.of(WORKFLOW) == (LACKED,)


def test_attempts_are_deleted_with_the_last_watch(path: Path) -> None:
    Registry(path, "1").close()
    with closing(Journal(path)) as journal:
        journal.end_watch(journal.begin_watch(WORKFLOW).id, "succeeded")
        open_one = replace(WORKFLOW, workflow_id=43)
        journal.begin_watch(open_one)
        for each in (WORKFLOW, open_one):
            journal.attempts.record(each, NEWS)

        prune(path.parent, datetime.now(UTC) + timedelta(days=89), "1")
        assert len(journal.attempts.of(WORKFLOW)) == 2
        prune(path.parent, datetime.now(UTC) + timedelta(days=91), "1")
        assert journal.attempts.of(WORKFLOW) == ()
        assert len(journal.attempts.of(open_one)) == 2
