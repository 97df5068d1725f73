"""What the journal stores, and its errors."""

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.cause import Cause
from torc_watch.core.errors import (
    JournalBusy,
    JournalCorrupt,
    JournalError,
    LeaseLost,
    LocksMissing,
    RecordUnreadable,
)
from torc_watch.core.recovery_round import Plan, Retry, RoundOutcome, Step
from torc_watch.core.units import GIB, MIB
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon import journal_reader
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.journal_reader import is_cut_off
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.watch_history import watches_of
from torc_watch.engine import database
from torc_watch.engine.database import Database, check_integrity, set_damaged_aside
from torc_watch.engine.journal import Journal

WORKFLOW = WorkflowIdentity(
    server="http://test/torc-service/v1", workflow_id=7, created="2026-01-01"
)
ENTRY = WatchedWorkflow(
    server=WORKFLOW.server, workflow_id=7, options=WatchOptions(), state=WatchState.WATCHED
)
FAILED = RoundOutcome.FAILED
PLAN = Plan(
    workflow_id=7,
    run_id=1,
    number=1,
    retries=(Retry(job_id=7, job_name="train", cause=Cause.CODE, reason="", fingerprint="f"),),
    uninitialized=0,
    repeated=(),
    left_alone=(),
    adjustments=(),
    scheduler_config_id=None,
    allocations=(),
)


@pytest.fixture
def path(quick_path: Path) -> Path:
    return quick_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def reopened(path: Path) -> closing[Journal]:
    return closing(Journal(path))


def test_open_watch_is_continued(path: Path, journal: Journal) -> None:
    watch = journal.begin_watch(WORKFLOW)
    for number in (1, 2):
        journal.end_round(
            journal.begin_round(watch.id, number=number, run_id=number), RoundOutcome.RESUBMITTED
        )
    journal.close()

    with reopened(path) as again:
        resumed = again.begin_watch(WORKFLOW)

    assert (resumed.id, resumed.past.used, resumed.open_round) == (watch.id, 2, None)


def test_rounds_that_only_continued_use_up_no_retry(path: Path, journal: Journal) -> None:
    watch = journal.begin_watch(WORKFLOW)
    outcomes = (RoundOutcome.CONTINUED, RoundOutcome.RESUBMITTED, RoundOutcome.CONTINUED)
    past = watch.past
    for number, outcome in enumerate(outcomes, start=1):
        joins_workers = number == 3  # others complete jobs meanwhile: it is no new beginning
        plan = replace(PLAN, completed=10 * number, joins_workers=joins_workers)
        round_ = journal.begin_round(watch.id, number=number, run_id=number)
        journal.begin_step(round_, Step.PLAN)
        journal.record_plan(round_, plan)
        journal.begin_step(round_, Step.ALLOCATE)
        journal.record_allocations(round_, {"t-1": number})
        journal.end_round(round_, outcome)
        past = past.after(outcome, plan)
    abandoned = journal.begin_round(watch.id, number=4, run_id=4)
    journal.begin_step(abandoned, Step.PLAN)
    journal.record_plan(abandoned, replace(PLAN, completed=20))
    journal.end_round(abandoned, RoundOutcome.ABANDONED)
    past = past.after(RoundOutcome.ABANDONED, replace(PLAN, completed=20))
    journal.close()

    with reopened(path) as again:
        assert again.begin_watch(WORKFLOW).past == past
    assert (past.ended, past.used, past.completed) == (4, 2, 20)
    assert [retry.fingerprint for retry in past.retried] == ["f"] * 3  # none of the abandoned one


def test_open_round_continues_where_it_stopped(path: Path, journal: Journal) -> None:
    watch = journal.begin_watch(WORKFLOW)
    journal.end_round(journal.begin_round(watch.id, number=1, run_id=4), RoundOutcome.ABANDONED)
    begun = journal.begin_round(watch.id, number=2, run_id=5)
    for step in (Step.ORPHANS, Step.DIAGNOSE):
        journal.begin_step(begun, step)
        journal.finish_step(begun, step)
    journal.begin_step(begun, Step.PLAN)
    journal.record_plan(begun, PLAN)
    journal.close()

    with reopened(path) as again:
        resumed = again.begin_watch(WORKFLOW)

    assert resumed.past.used == 1
    assert resumed.open_round == begun
    assert begun.finished == {Step.ORPHANS, Step.DIAGNOSE}
    assert begun.plan == PLAN


def test_step_may_begin_again(journal: Journal) -> None:
    begun = journal.begin_round(journal.begin_watch(WORKFLOW).id, number=1, run_id=1)
    for _ in range(2):
        journal.begin_step(begun, Step.PLAN)
    journal.record_plan(begun, PLAN)
    journal.begin_step(begun, Step.PLAN)

    resumed = journal.begin_watch(WORKFLOW).open_round

    assert resumed is not None
    assert resumed.plan == PLAN


def test_round_begins_once(journal: Journal) -> None:
    watch = journal.begin_watch(WORKFLOW)
    journal.begin_round(watch.id, number=1, run_id=1)
    with pytest.raises(JournalError):
        journal.begin_round(watch.id, number=1, run_id=1)


def test_next_watch_after_an_outcome_is_a_new_one(journal: Journal) -> None:
    watch = journal.begin_watch(WORKFLOW)
    journal.begin_round(watch.id, number=1, run_id=1)
    journal.end_watch(watch.id, "exhausted")

    after = journal.begin_watch(WORKFLOW)

    assert after.id != watch.id
    assert (after.past.used, after.open_round) == (0, None)


@pytest.mark.parametrize(
    "other",
    [
        WorkflowIdentity(server=WORKFLOW.server, workflow_id=7, created="2026-02-02"),
        WorkflowIdentity(server=WORKFLOW.server, workflow_id=8, created=WORKFLOW.created),
        WorkflowIdentity(
            server="http://other/torc-service/v1", workflow_id=7, created=WORKFLOW.created
        ),
    ],
)
def test_watches_of_different_workflows_are_separate(
    journal: Journal, other: WorkflowIdentity
) -> None:
    """A reinstalled server reuses IDs, so the creation time is a part of the identity."""
    watch = journal.begin_watch(WORKFLOW)
    journal.begin_round(watch.id, number=1, run_id=1)

    assert journal.begin_watch(other).id != watch.id
    assert journal.begin_watch(other).past.used == 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.from_type(Plan))
def test_plan_round_trip(journal: Journal, plan: Plan) -> None:
    watch = journal.begin_watch(WORKFLOW)
    begun = journal.begin_round(watch.id, number=1, run_id=1)
    journal.begin_step(begun, Step.PLAN)
    journal.record_plan(begun, plan)

    resumed = journal.begin_watch(WORKFLOW).open_round

    journal.end_watch(watch.id, "succeeded")
    assert resumed is not None
    assert resumed.plan == plan


# As the first version wrote it, except for the line breaks.
FIRST_PLAN = """
{"workflow_id": 7, "run_id": 1, "number": 1,
 "retries": [{"job_id": 12, "job_name": "hungry", "cause": "oom", "reason": "exit code 137",
              "memory": [67108864, 100663296], "runtime": null}],
 "uninitialized": 0,
 "left_alone": [{"job_id": 13, "job_name": "flaky", "cause": "unknown", "reason": "exit code 1",
                 "restarts_anyway": false}],
 "adjustments": [{"name": "small.run2.96m.PT1M",
                  "base": {"id": 2, "name": "small", "num_cpus": 1, "num_gpus": 0, "num_nodes": 1,
                           "memory": 67108864, "runtime": 60},
                  "memory": 100663296, "runtime": 60, "job_ids": [12]}],
 "scheduler_config_id": 3,
 "allocations": [{"token": "torc-wf7-0123456789ab-1", "num_cpus": 2, "memory": 1073741824}]}
"""


def test_plan_of_the_first_version_is_read(path: Path, journal: Journal) -> None:
    begun = journal.begin_round(journal.begin_watch(WORKFLOW).id, number=1, run_id=1)
    journal.begin_step(begun, Step.PLAN)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE step SET record = ?", (FIRST_PLAN,))
        database.commit()

    resumed = journal.begin_watch(WORKFLOW).open_round

    assert resumed is not None
    assert resumed.plan is not None
    assert resumed.plan.retries[0].memory == (64 * MIB, 96 * MIB)
    assert resumed.plan.repeated is None
    assert resumed.plan.scheduler_type is None
    assert resumed.plan.allocations == (
        AllocationSpec(token="torc-wf7-0123456789ab-1", num_cpus=2, memory=GIB),  # noqa: S106
    )


def test_newer_format_is_refused(path: Path, journal: Journal) -> None:
    journal.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="newer torc-watch") as refusal:
        Journal(path)
    assert "Upgrade" in str(refusal.value)


def test_suspended_daemon_overwrites_nothing_after_a_takeover(path: Path) -> None:
    """After a long suspension it continues the round that its successor continued."""
    ours, theirs = Registry(path, "1"), Registry(path, "2")
    with ExitStack() as opened:
        opened.enter_context(closing(ours))
        opened.enter_context(closing(theirs))
        successor = opened.enter_context(closing(Journal(path, "2")))
        theirs.save(ENTRY)
        watch = successor.begin_watch(WORKFLOW)
        round_ = successor.begin_round(watch.id, number=1, run_id=1)
        successor.begin_step(round_, Step.PLAN)
        journal = opened.enter_context(closing(Journal(path, "1")))
        before = content(path)
        other = replace(WORKFLOW, workflow_id=8)

        for write in (
            partial(journal.begin_watch, other),
            partial(journal.begin_round, watch.id, number=2, run_id=1),
            partial(journal.begin_step, round_, Step.HOOK),
            partial(journal.finish_step, round_, Step.PLAN),
            partial(journal.record_plan, round_, PLAN),
            partial(journal.end_round, round_, RoundOutcome.ABANDONED),
            partial(journal.end_watch, watch.id, "handed_over"),
            partial(ours.save, replace(ENTRY, state=WatchState.ENDED)),
            partial(ours.remove, ENTRY.key),
        ):
            with pytest.raises(LeaseLost):
                write()

        assert content(path) == before
        assert round_.plan is None
        successor.record_plan(round_, PLAN)
        opened.enter_context(closing(Journal(path))).begin_watch(
            other
        )  # a command, without a lease


def test_no_takeover_between_the_check_and_the_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Registry(path, "1").close()
    monkeypatch.setattr(database, "_BUSY_TIMEOUT", 0)
    ensure_lease = Database._ensure_lease

    def check_during_a_takeover(ours: Database) -> None:
        ensure_lease(ours)
        with pytest.raises(JournalBusy):
            Registry(path, "2")

    monkeypatch.setattr(Database, "_ensure_lease", check_during_a_takeover)
    with closing(Journal(path, "1")) as journal:
        journal.begin_watch(WORKFLOW)


def test_damaged_file_is_renamed_with_its_companion_files(path: Path) -> None:
    suffixes = ("", "-journal", "-wal")
    path.parent.mkdir()
    for suffix in suffixes:
        path.with_name(f"{path.name}{suffix}").write_text(suffix)

    kept = set_damaged_aside(path)

    assert {file.name: file.read_text() for file in path.parent.iterdir()} == {
        f"{kept.name}{suffix}": suffix for suffix in suffixes
    }


def test_file_that_replaced_the_claimed_one_is_not_written(path: Path) -> None:
    Registry(path, "1").close()
    path.unlink()
    with closing(Journal(path, "1")) as journal, pytest.raises(LeaseLost):
        journal.begin_watch(WORKFLOW)


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def test_write_ahead_log_is_read_and_removed(path: Path, journal: Journal) -> None:
    """Another tool may have created it; it may not work on a network file system."""
    journal.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            "INSERT INTO watch (id, server, workflow_id, created, began) VALUES (5, ?, 7, ?, ?)",
            (WORKFLOW.server, WORKFLOW.created, "2026-01-01T00:00:00.000+00:00"),
        )
        database.commit()
        left = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    for name, content in left.items():
        (path.parent / name).write_bytes(content)
    assert len(left) == 3

    with reopened(path) as again:
        assert again.begin_watch(WORKFLOW).id == 5
        assert [mode for (mode,) in again._database.query_all("PRAGMA journal_mode")] == [
            "truncate"
        ]
    assert not path.with_name("journal.db-wal").exists()


def test_hidden_damage_is_found(path: Path, journal: Journal) -> None:
    journal.close()
    check_integrity(path)
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'step'"
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"nonsense")

    Journal(path).close()
    with pytest.raises(JournalCorrupt, match="damaged"):
        check_integrity(path)


def test_garbage_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but maybe an important file " * 100)
    with pytest.raises(JournalError, match="not a database"):
        Journal(path)
    assert path.read_bytes().startswith(b"not a database")


def test_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path / "file" / "journal.db")


def test_unreadable_plan_is_an_error_until_the_watch_is_removed(
    path: Path, journal: Journal
) -> None:
    begun = journal.begin_round(journal.begin_watch(WORKFLOW).id, number=1, run_id=1)
    journal.begin_step(begun, Step.PLAN)
    journal.record_plan(begun, PLAN)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE step SET record = '{\"workflow_id\": 7'")
        database.commit()
    with pytest.raises(RecordUnreadable, match="torc-watchd remove 7"):
        journal.begin_watch(WORKFLOW)

    journal.end_unfinished_watches(WORKFLOW.server, 7)
    afresh = journal.begin_watch(WORKFLOW)

    assert (afresh.past.used, afresh.open_round) == (0, None)


def test_removed_watch_ends_unless_a_plan_is_unfinished(journal: Journal) -> None:
    watch = journal.begin_watch(WORKFLOW)
    journal.end_round(journal.begin_round(watch.id, number=1, run_id=1), FAILED)
    journal.end_unfinished_watches(WORKFLOW.server, 7)
    anew = journal.begin_watch(WORKFLOW)
    begun = journal.begin_round(anew.id, number=1, run_id=1)
    journal.begin_step(begun, Step.PLAN)
    journal.record_plan(begun, PLAN)
    journal.end_unfinished_watches(WORKFLOW.server, 7)

    assert (anew.id != watch.id, anew.past.used) == (True, 0)
    assert journal.begin_watch(WORKFLOW).open_round == begun


def test_full_disk_is_an_error_that_keeps_earlier_entries(journal: Journal) -> None:
    """The limit on pages simulates the full disk."""
    watch = journal.begin_watch(WORKFLOW)
    journal._database.write("PRAGMA max_page_count = 1")
    with pytest.raises(JournalError, match=r"full\. Free some space there\."):
        fill(journal, watch.id)
    assert journal.begin_watch(WORKFLOW).past.used > 1


def fill(journal: Journal, watch_id: int) -> None:
    for number in range(1, 10_000):
        journal.end_round(journal.begin_round(watch_id, number=number, run_id=1), FAILED)


def test_full_disk_at_the_creation_is_an_error(path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from torc_watch.core.errors import JournalCorrupt, JournalError\n"
        "from torc_watch.engine.journal import Journal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    Journal(Path(sys.argv[1]))\n"
        "except JournalError as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be used" in run.stdout
    assert run.stderr == ""


def test_two_processes_can_create_the_journal_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both processes find no journal, and the other one creates it first."""
    connect = sqlite3.connect

    class Overtaken(sqlite3.Connection):
        def execute(self, statement: str, /, *values: Any) -> sqlite3.Cursor:
            if statement == "BEGIN IMMEDIATE":
                with monkeypatch.context() as restored:
                    restored.setattr(sqlite3, "connect", connect)
                    Journal(path).close()
            return super().execute(statement, *values)

    monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Overtaken))
    with reopened(path) as journal:
        assert journal.begin_watch(WORKFLOW).past.used == 0


def test_refused_journal_is_closed(path: Path, journal: Journal) -> None:
    journal.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError) as refusal:
        Journal(path)
    database = refusal.traceback[-2].frame.f_locals["self"]._connection
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


LOCKING = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_error_names_the_process_that_locks_the_journal(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That process may be suspended during a change."""
    watch = journal.begin_watch(WORKFLOW)
    journal.close()
    monkeypatch.setattr(database, "_BUSY_TIMEOUT", 0)
    monkeypatch.setattr(journal_reader, "_BUSY_TIMEOUT", 0)
    command = [sys.executable, "-c", LOCKING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(JournalBusy, match=f"locked by process {other.pid} on "):
            Journal(path)
        with pytest.raises(JournalBusy, match=f"kill -KILL {other.pid}"):
            watches_of(path.parent, WORKFLOW.workflow_id)
        other.communicate()

    with reopened(path) as again:
        assert again.begin_watch(WORKFLOW).id == watch.id


def test_file_system_without_locks_is_no_process_that_locks(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes ENOLCK for the lock of another process."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    monkeypatch.setattr(database, "_BUSY_TIMEOUT", 0)
    monkeypatch.setattr(journal_reader, "_BUSY_TIMEOUT", 0)
    journal.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for use in (partial(Journal, path), partial(watches_of, path.parent, 1)):
            with pytest.raises(LocksMissing, match=r"journal\.db cannot be locked: its"):
                use()


CUT_OFF = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = TRUNCATE")
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("UPDATE watch SET verdict = server")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_interrupted_change_is_rolled_back_by_the_next_writer(path: Path, journal: Journal) -> None:
    long = replace(WORKFLOW, server=WORKFLOW.server + 500 * "x")
    for number in range(99):
        journal.begin_watch(replace(long, workflow_id=number))
    journal.close()
    subprocess.run([sys.executable, "-c", CUT_OFF, str(path)], check=False)

    assert is_cut_off(path)
    assert [watch.verdict for watch in watches_of(path.parent, 1)] == [None]
    with reopened(path):
        pass
    assert not is_cut_off(path)
    assert [watch.verdict for watch in watches_of(path.parent, 1)] == [None]
