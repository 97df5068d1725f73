"""What squeue and sacct printed for the ends of jobs, in three releases, and what it means.

`tests/fixtures/slurm` has what was captured, in the columns that are asked for; 22.05 is in
`tests/cluster`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause, StepEnd
from torc_watch.schedulers.slurm.job_record import AccountingAnswer, JobRecord, job_record
from torc_watch.schedulers.slurm.job_status import (
    LOST_AFTER,
    RUNAWAY_AFTER,
    is_missing,
    status_of,
    step_ends,
)
from torc_watch.schedulers.slurm.job_table import parse_accounting, parse_queue, parse_steps

_FIXTURES = Path(__file__).parents[1] / "fixtures/slurm"
_CAPTURED: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in _FIXTURES.glob("*.json")
}
_QUEUE = "JOBID|STATE|UID|START_TIME|END_TIME|NODELIST|NAME                |REASON\n"
_ACCOUNTING = "JobIDRaw|State|ExitCode|NodeList|UID|Start|End|ElapsedRaw|JobName\n"
_OWN, _OTHER = 2001, 2002
_TOKEN = "tw-12-r1-a0"  # noqa: S105 - no password
_ENDS: dict[str, EndCause | None] = {
    "ok": None,
    "bad_workdir": None,
    "signal_usr1_exit0": None,
    "oom_cgroup_srun": None,  # the step's end is not the allocation's
    "step_failed_job_ok": None,
    "node_fail_requeued_done": None,  # its second life
    "failed_exit1": EndCause.FAILED,
    "failed_exit3": EndCause.FAILED,
    "failed_segv_child": EndCause.FAILED,
    "failed_sigkill_exec": EndCause.FAILED,
    "oom_cgroup_child_exit0": EndCause.OUT_OF_MEMORY,
    "oom_cgroup_exec": EndCause.OUT_OF_MEMORY,
    "timeout": EndCause.TIME_LIMIT,
    "timeout_srun": EndCause.TIME_LIMIT,
    "timeout_trap_term": EndCause.TIME_LIMIT,
    "node_fail_admin_down": EndCause.NODE_FAILURE,
    "preempted": EndCause.PREEMPTED,
    "canceled_pending": EndCause.CANCELED,
    "canceled_pending_by_root": EndCause.CANCELED,
    "canceled_running": EndCause.CANCELED,
    "canceled_running_by_root": EndCause.CANCELED,
    "scancel_s_KILL": EndCause.CANCELED,
}


def _record(
    queue: str,
    accounting: str,
    *,
    number: int = 7,
    name: str | None = None,
    answer: Mapping[str, Any] | None = None,
) -> JobRecord:
    table = parse_accounting(accounting)
    return job_record(
        number,
        name,
        user=_OWN,
        queue=parse_queue(queue),
        accounting=AccountingAnswer(table=table, **(answer or {})),
    )


def _captured(release: str, case: str) -> JobRecord:
    captured = _CAPTURED[release][case]
    return _record(captured["squeue"], captured["sacct"], number=captured["number"])


def _status(record: JobRecord, missing_for: float = 0) -> AllocationStatus:
    return status_of(record, "user-{}".format, missing_for=missing_for)


def _queued(state: str, *, user: int = _OWN, name: str = _TOKEN, reason: str = "None") -> str:
    """The one row of job 7."""
    return f"{_QUEUE}7|{state}|{user}|1700000000|1700000060|n1|{name:<20.20}|{reason}"


def _lives(*states: str, user: int = _OWN, name: str = _TOKEN) -> str:
    """The rows of job 7, ``state`` or ``state|exit code|nodes``, each a minute after the last."""
    rows = (_life(state, place, user, name) for place, state in enumerate(states))
    return _ACCOUNTING + "\n".join(rows)


def _life(state: str, place: int, user: int, name: str) -> str:
    parts = state if "|" in state else f"{state}|0:0|n1"
    start = 1_700_000_000 + 60 * place
    return f"7|{parts}|{user}|{start}|{start + 30}|30|{name}"


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize("case", _ENDS)
@pytest.mark.parametrize("release", _CAPTURED)
def test_captured_end_has_its_cause(release: str, case: str) -> None:
    status = _status(_captured(release, case))

    assert (status.state, status.cause) == (AllocationState.GONE, _ENDS[case])
    assert status.ended is not None


@pytest.mark.parametrize("release", _CAPTURED)
def test_captured_job_that_runs_is_alive_since_its_start(release: str) -> None:
    record = _captured(release, "running")

    assert record.queued is not None
    assert _status(record) == AllocationStatus(
        state=AllocationState.ALIVE, began=_at(record.queued.start or 0)
    )


@pytest.mark.parametrize("case", ["preempted_requeued", "node_fail_requeued"])
@pytest.mark.parametrize("release", _CAPTURED)
def test_captured_job_that_waits_for_its_next_life_is_alive(release: str, case: str) -> None:
    """Its accounting says how its first life ended, and squeue when the next may begin."""
    assert _status(_captured(release, case)) == AllocationStatus(state=AllocationState.ALIVE)


@pytest.mark.parametrize("release", _CAPTURED)
def test_requeued_job_began_with_its_newest_life(release: str) -> None:
    record = _captured(release, "node_fail_requeued_done")

    first, second = record.lives
    status = _status(record)
    assert (status.began, status.ended) == (_at(second.start or 0), _at(second.end or 0))
    assert status.began is not None
    assert _at(first.end or 0) < status.began


@pytest.mark.parametrize(("case", "user"), [("", "user-2001"), ("_by_root", "user-0")])
@pytest.mark.parametrize("release", _CAPTURED)
def test_user_who_canceled_is_named(release: str, case: str, user: str) -> None:
    for what in ("running", "pending"):
        status = _status(_captured(release, f"canceled_{what}{case}"))
        assert status.canceled_by == user
        assert (status.began is None) == (what == "pending")


@pytest.mark.parametrize("release", _CAPTURED)
def test_step_says_what_its_job_does_not(release: str) -> None:
    captured = _CAPTURED[release]["oom_cgroup_srun"]

    batch, step = parse_steps(captured["sacct"])[captured["number"]]

    assert (batch.step, batch.state) == ("batch", "COMPLETED")
    assert (step.step, step.name, step.state) == ("0", "python3", "OUT_OF_MEMORY")
    assert (step.exit_code, step.elapsed) == ("0:125", 0)
    assert step.start is not None


@pytest.mark.parametrize("release", _CAPTURED)
def test_end_of_a_step_that_ran_out_of_memory(release: str) -> None:
    captured = _CAPTURED[release]["oom_cgroup_srun"]

    ends = step_ends(parse_steps(captured["sacct"])[captured["number"]])

    assert ends["python3"].cause is EndCause.OUT_OF_MEMORY
    assert ends["python3"].ended == ends["python3"].began


@pytest.mark.parametrize(
    ("state", "exit_code", "cause", "return_code", "by"),
    [
        ("COMPLETED", "0:0", None, 0, None),
        ("FAILED", "7:0", EndCause.FAILED, 7, None),
        ("FAILED", "11:0", EndCause.FAILED, 11, None),
        ("CANCELLED by 2001", "0:15", EndCause.CANCELED, 143, "user 2001"),
        ("CANCELLED", "0:9", EndCause.CANCELED, 137, None),
        ("OUT_OF_MEMORY", "0:125", EndCause.OUT_OF_MEMORY, 0, None),
        ("TIMEOUT", "0:15", EndCause.TIME_LIMIT, 143, None),
    ],
)
def test_end_of_a_step(
    state: str, exit_code: str, cause: EndCause | None, return_code: int, by: str | None
) -> None:
    text = f"{_ACCOUNTING}7.0|{state}|{exit_code}|n[1-2]||100|160|60|wf1_j2_r0_a1\n"

    end = step_ends(parse_steps(text)[7], "user {}".format)["wf1_j2_r0_a1"]

    assert end == StepEnd(
        cause=cause,
        return_code=return_code,
        began=_at(100),
        ended=_at(160),
        id="7.0",
        canceled_by=by,
        nodes=("n1", "n2"),
        detail=f"step 7.0 {state.partition(' ')[0]} {exit_code}",
    )


def test_step_that_has_not_ended() -> None:
    text = f"{_ACCOUNTING}7.0|RUNNING|0:0|None assigned||100|160|60|wf1_j2_r0_a1\n"

    assert step_ends(parse_steps(text)[7]) == {}


def test_steps_of_all_lives_are_read() -> None:
    text = (
        f"{_ACCOUNTING}7|NODE_FAIL|1:0|n1|2001|100|160|60|x\n"
        "7.0|CANCELLED by 2001||n1||100|Unknown||wf1_j2_r0_a1\n"
        "7|RUNNING|0:0|n1|2001|200|Unknown|5|x\n"
        "7.batch|RUNNING|0:0|n1||200|Unknown|5|batch\n"
        "7.1|RUN\n"
    )

    first, second = parse_steps(text)[7]

    assert (first.name, first.state, first.canceled_by) == ("wf1_j2_r0_a1", "CANCELLED", 2001)
    assert (first.start, first.elapsed) == (_at(100), None)
    assert (second.step, second.start, second.elapsed) == ("batch", _at(200), 5)


@pytest.mark.parametrize(
    ("life", "detail"),
    [
        ("NODE_FAIL|1:0|n[1-2]", "Slurm state NODE_FAIL on n[1-2], exit code 1:0"),
        ("CANCELLED by 0|0:0|None assigned", "Slurm state CANCELLED, exit code 0:0"),
    ],
)
def test_detail_says_where_and_how_it_ended(life: str, detail: str) -> None:
    assert _status(_record(_QUEUE, _lives(life))).detail == detail


def test_job_that_was_canceled_while_it_waited_never_began() -> None:
    """22.05 gives it a start."""
    status = _status(_record(_QUEUE, _lives("CANCELLED by 0|0:0|None assigned")))

    assert (status.began, status.ended) == (None, _at(1_700_000_030))


def test_exit_code_of_a_missing_folder_is_explained() -> None:
    assert "working directory" in _status(_record(_QUEUE, _lives("FAILED|0:53|n1"))).detail


@pytest.mark.parametrize(
    ("queued", "lives", "state"),
    [
        ("COMPLETING", [], "alive"),  # it hides how the job ends
        ("COMPLETING", ["CANCELLED by 0"], "alive"),
        ("REQUEUE_HOLD", ["NODE_FAIL"], "alive"),
        ("PENDING", ["PREEMPTED"], "alive"),
        ("SPECIAL_EXIT", [], "alive"),
        (None, [], "unknown"),  # nobody has heard of it
        ("COMPLETED", [], "unknown"),  # accounting is late
        ("COMPLETED", ["RUNNING"], "unknown"),
        ("COMPLETED", ["NODE_FAIL"], "unknown"),  # of the life before
        (None, ["RUNNING"], "unknown"),  # the controller forgot it in a crash
        (None, ["NODE_FAIL", "PENDING|0:0|None assigned"], "unknown"),
        ("REVOKED", ["FAILED"], "unknown"),
        ("A_NEW_STATE", ["FAILED"], "unknown"),
        (None, ["A_NEW_STATE"], "unknown"),
        ("CANCELLED", ["CANCELLED"], "gone"),
        (None, ["NODE_FAIL", "COMPLETED"], "gone"),
        (None, ["RESIZING", "FAILED"], "gone"),
    ],
)
def test_accounting_says_that_a_job_is_gone(
    queued: str | None, lives: list[str], state: str
) -> None:
    queue = _queued(queued) if queued else _QUEUE

    assert _status(_record(queue, _lives(*lives), name=_TOKEN)).state == state


def test_unknown_says_what_is_missing() -> None:
    record = _record(_queued("COMPLETED"), _lives("NODE_FAIL"))

    assert "NODE_FAIL" in _status(record).detail


@pytest.mark.parametrize(
    ("name", "user", "row_name", "counts"),
    [
        (_TOKEN, _OWN, _TOKEN, True),
        (_TOKEN, _OWN, "another", False),
        (_TOKEN, _OWN, f"{_TOKEN}-", False),
        (_TOKEN, _OWN, _TOKEN.upper(), False),
        (None, _OWN, "whatever|it\nis", True),
        (None, _OTHER, "whatever", False),
    ],
)
def test_row_counts_only_for_the_job_that_is_meant(
    name: str | None, user: int, row_name: str, counts: bool
) -> None:
    running = _record(_queued("RUNNING", user=user, name=row_name), _ACCOUNTING, name=name)
    ended = _record(_QUEUE, _lives("FAILED", user=user, name=row_name), name=name)

    assert _status(running).state is (AllocationState.ALIVE if counts else AllocationState.UNKNOWN)
    assert _status(ended).state is (AllocationState.GONE if counts else AllocationState.UNKNOWN)


def test_own_end_is_found_under_a_number_that_was_used_again() -> None:
    accounting = f"{_lives('FAILED')}\n{_life('RUNNING', 1, _OTHER, 'another')}"

    record = _record(_queued("RUNNING", user=_OTHER, name="another"), accounting, name=_TOKEN)

    assert _status(record).cause is EndCause.FAILED


@pytest.mark.parametrize("late_name", ["", "allocation"])
@pytest.mark.parametrize(
    ("queue", "user", "state"),
    [
        (_queued("FAILED"), _OWN, "gone"),
        (_queued("FAILED"), _OTHER, "unknown"),
        (_queued("FAILED", name="another"), _OWN, "unknown"),
        (_QUEUE, _OWN, "unknown"),
    ],
)
def test_squeue_has_the_name_that_accounting_learns_late(
    late_name: str, queue: str, user: int, state: str
) -> None:
    record = _record(queue, _lives("FAILED", user=user, name=late_name), name=_TOKEN)

    assert _status(record).state == state


@pytest.mark.parametrize(
    ("queue", "accounting"),
    [
        (f"{_QUEUE}7|RUN", _lives("COMPLETED")),
        (f"{_QUEUE}7|RUNNING|me|1|2|n1|{_TOKEN:<20}|None", _ACCOUNTING),
        (_QUEUE, f"{_lives('NODE_FAIL')}\n7|RUNNI"),
        (_QUEUE, f"{_ACCOUNTING}7|FAILED"),
    ],
)
def test_line_that_cannot_be_read_is_unknown_and_shown(queue: str, accounting: str) -> None:
    record = _record(queue, accounting, name=_TOKEN)

    status = _status(record, missing_for=RUNAWAY_AFTER * 2)
    assert status.state is AllocationState.UNKNOWN
    assert "'7|" in status.detail
    assert not is_missing(record)


@pytest.mark.parametrize(
    ("lives", "answer", "missing_for", "state"),
    [
        ([], {}, LOST_AFTER, "unknown"),
        ([], {}, LOST_AFTER + 1, "gone"),
        (["RUNNING"], {}, LOST_AFTER + 1, "unknown"),
        (["RUNNING"], {}, RUNAWAY_AFTER, "unknown"),
        (["NODE_FAIL", "PENDING"], {}, RUNAWAY_AFTER + 1, "gone"),
        ([], {"exists": False}, LOST_AFTER, "unknown"),
        ([], {"exists": False}, LOST_AFTER + 1, "gone"),
        ([], {"silence": "slurmdbd is down"}, LOST_AFTER + 1, "unknown"),
    ],
)
def test_job_that_slurm_has_lost_is_gone_after_a_while(
    lives: list[str], answer: dict[str, Any], missing_for: float, state: str
) -> None:
    record = _record(_QUEUE, _lives(*lives), name=_TOKEN, answer=answer)

    status = _status(record, missing_for)
    assert status.state == state
    assert status.cause is (EndCause.LOST if state == "gone" else None)
    assert status.detail
    assert is_missing(record) == ("silence" not in answer)


@pytest.mark.parametrize(
    ("queue", "lives", "missing"),
    [
        (_QUEUE, [], True),
        (_QUEUE, ["PENDING"], True),
        (_QUEUE, ["FAILED"], False),
        (_queued("FAILED"), [], False),
        (_queued("RUNNING"), [], False),
        (_queued("RUNNING", name="another"), [], True),
    ],
)
def test_job_without_a_row_or_an_end_is_missing(
    queue: str, lives: list[str], missing: bool
) -> None:
    assert is_missing(_record(queue, _lives(*lives), name=_TOKEN)) is missing


def test_without_accounting_squeue_says_how_a_job_ended() -> None:
    record = _record(_queued("TIMEOUT"), _ACCOUNTING, answer={"exists": False})

    assert _status(record) == AllocationStatus(
        state=AllocationState.GONE,
        cause=EndCause.TIME_LIMIT,
        detail="Slurm state TIMEOUT on n1; this cluster has no accounting",
        began=_at(1_700_000_000),
        ended=_at(1_700_000_060),
    )


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("PENDING", "Priority", ""),
        ("PENDING", "PartitionTimeLimit", "will never start"),
        ("PENDING", "Ask Ada, room 5 | or Bob", "Ask Ada, room 5 | or Bob"),
        ("REQUEUE_HOLD", "None", "is held"),
        ("SPECIAL_EXIT", "None", "is held"),
        ("RESV_DEL_HOLD", "None", "will never start"),
    ],
)
def test_alive_job_says_why_it_waits(state: str, reason: str, words: str) -> None:
    status = _status(_record(_queued(state, reason=reason), _ACCOUNTING, name=_TOKEN))

    assert (status.state, status.began) == (AllocationState.ALIVE, None)
    assert words in status.detail
    assert bool(status.detail) == bool(words)
