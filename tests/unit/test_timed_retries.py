"""Plans of rounds with retries that have to wait, or that node hours do not pay for."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobCounts, JobStatus, Requirements, SchedulerConfig, Workflow
from torc_watch.core.node_hours import NodeHours
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import (
    PastRounds,
    Plan,
    Postponement,
    RecoverySettings,
    Refusal,
    RefusalKind,
    Retry,
    RoundOutcome,
)
from torc_watch.core.situation import Situation
from torc_watch.core.units import GIB
from torc_watch.core.unserved_jobs import plan_more
from torc_watch.render.transcript import plan_lines

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = BEGAN + timedelta(hours=1)
MINUTE = timedelta(minutes=1)
HOUR = 3600
SMALL = Requirements(
    id=3, name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=GIB, runtime=60
)
HUGE = replace(SMALL, id=4, memory=64 * GIB)
ROW = SchedulerConfig(
    id=9, name="s", scheduler_type="slurm", num_cpus=1, memory=GIB, runtime=2 * HOUR
)


def job(job_id: int, status: JobStatus = JobStatus.FAILED) -> Job:
    return Job(
        id=job_id,
        name=f"train_{job_id}",
        command="true",
        status=status,
        requirements_id=SMALL.id,
        attempt=1,
    )


def finding(job_id: int, cause: Cause, asked: Requirements = SMALL) -> Finding:
    return Finding(job=job(job_id), cause=cause, reason="because", requirements=asked, ended=FAILED)


def situation(*findings: Finding, **more: Any) -> Situation:
    usual: dict[str, Any] = {
        "workflow": Workflow(
            id=42, name="w", user="u", created="", run_id=1, is_canceled=False, is_archived=False
        ),
        "counts": JobCounts({JobStatus.COMPLETED: 5, JobStatus.FAILED: len(findings)}),
        "findings": findings,
        "dependents": (),
        "waiting": (),
        "past": PastRounds(began=BEGAN),
        "scheduler_type": "slurm",
        "requirements": {SMALL.id: SMALL},
        "configs": (ROW,),
        "actions": (),
        "node_classes": (NodeClass(num_cpus=4, memory=8 * GIB, runtime=4 * HOUR, count=9),),
        "allocation_stem": "abc.wf42",
        "now": FAILED,
    }
    return Situation(**usual | more)


def retried(answer: object) -> list[int]:
    assert isinstance(answer, Plan)
    return [each.job_id for each in answer.retries]


def tried(*jobs: int) -> PastRounds:
    retries = [Retry(job_id=each, job_name="", cause=Cause.NETWORK, reason="") for each in jobs]
    return PastRounds(began=BEGAN, retried=tuple(retries))


SETTINGS = RecoverySettings()
READY = job(3, JobStatus.READY)
STARTABLE = {
    "waiting": (READY,),
    "counts": JobCounts({JobStatus.FAILED: 1, JobStatus.READY: 1}),
}


def test_round_waits_if_all_of_its_retries_do() -> None:
    answer = plan(situation(finding(1, Cause.NETWORK), finding(2, Cause.LIMIT)), SETTINGS)
    assert isinstance(answer, Postponement)
    assert answer.not_before == answer.until == FAILED + 2 * MINUTE
    assert answer.phrase == "to run 1 job again: network unwell"
    assert [each.job_id for each in answer.left_alone] == [2]


def test_round_goes_when_the_time_has_come() -> None:
    answer = plan(situation(finding(1, Cause.NETWORK), now=FAILED + 2 * MINUTE), SETTINGS)
    assert retried(answer) == [1]


def test_person_who_asks_does_not_wait() -> None:
    assert retried(plan(situation(finding(1, Cause.NETWORK), now=None), SETTINGS)) == [1]


def test_jobs_whose_time_has_not_come_are_left_out() -> None:
    seen = situation(finding(1, Cause.NETWORK), finding(2, Cause.OOM), past=tried(1))
    answer = plan(seen, SETTINGS)
    assert retried(answer) == [2]
    assert isinstance(answer, Plan)
    assert answer.left_alone[0].reason == "because; it is too early to run it again"


def test_moment_is_waited_for_all_to_go_together() -> None:
    answer = plan(situation(finding(1, Cause.NETWORK), finding(2, Cause.OOM)), SETTINGS)
    assert isinstance(answer, Postponement)
    assert answer.phrase == "to run 2 jobs again: network unwell (1)"


def test_ready_jobs_are_not_held_up() -> None:
    answer = plan(situation(finding(1, Cause.NETWORK), past=tried(1), **STARTABLE), SETTINGS)
    assert retried(answer) == []
    assert isinstance(answer, Plan)
    assert len(answer.allocations) == 1


def test_ready_jobs_that_no_node_can_run_do_not_matter() -> None:
    seen = situation(finding(1, Cause.NETWORK), past=tried(1), **STARTABLE)
    answer = plan(replace(seen, requirements={SMALL.id: HUGE}), SETTINGS)
    assert isinstance(answer, Postponement)


def test_job_that_cannot_be_given_more_does_not_start_a_round() -> None:
    """Else the other one would be handed over together with it."""
    seen = situation(finding(1, Cause.NETWORK), finding(2, Cause.OOM, HUGE), past=tried(1))
    answer = plan(seen, SETTINGS)
    assert isinstance(answer, Postponement)
    assert [each.job_id for each in answer.retries] == [1]


@pytest.mark.parametrize(
    ("cause", "most"),
    [
        pytest.param(Cause.UNKNOWN, 3, id="no-budget-of-its-own"),
        pytest.param(Cause.CODE, 3, id="once"),
        pytest.param(Cause.NETWORK, 0, id="user-allows-none"),
    ],
)
def test_used_up_rounds_are_not_waited_for(cause: Cause, most: int) -> None:
    seen = situation(finding(1, cause), past=PastRounds(used=most, began=BEGAN))
    answer = plan(seen, RecoverySettings(max_retries=most))
    assert isinstance(answer, Refusal)
    assert answer.kind is RefusalKind.EXHAUSTED


USED_UP = PastRounds(used=3, began=BEGAN)


def test_retries_with_a_budget_of_their_own_outlast_the_rounds() -> None:
    seen = situation(finding(1, Cause.NETWORK), finding(2, Cause.UNKNOWN), past=USED_UP)
    waits = plan(seen, SETTINGS)
    assert isinstance(waits, Postponement)
    assert waits.phrase == "to run 1 job again: network unwell"
    answer = plan(replace(seen, now=FAILED + 2 * MINUTE), SETTINGS)
    assert retried(answer) == [1]
    assert isinstance(answer, Plan)
    assert not answer.uses_retry
    assert answer.left_alone[0].reason == "because; all rounds of recovery are used up"


def test_round_that_failed_is_as_free_as_its_plan() -> None:
    seen = situation(finding(1, Cause.NETWORK), past=USED_UP, now=FAILED + 2 * MINUTE)
    answer = plan(seen, SETTINGS)
    assert isinstance(answer, Plan)
    assert USED_UP.after(RoundOutcome.FAILED, answer).used == 3
    assert USED_UP.after(RoundOutcome.ABANDONED, answer).used == 4
    assert USED_UP.after(RoundOutcome.FAILED, replace(answer, uses_retry=True)).used == 4


def test_rounds_are_used_up_when_nothing_with_a_budget_is_left() -> None:
    full = situation(
        finding(1, Cause.FILE_SYSTEM_FULL),
        finding(2, Cause.UNKNOWN),
        past=USED_UP,
        now=FAILED + timedelta(days=1),
        has_room=False,
    )
    assert isinstance(plan(full, SETTINGS), Refusal)


def test_ready_jobs_alone_start_no_round_that_is_not_allowed() -> None:
    seen = situation(finding(1, Cause.NETWORK), past=replace(USED_UP, completed=0), **STARTABLE)
    assert isinstance(plan(seen, SETTINGS), Postponement)
    assert retried(plan(replace(seen, now=FAILED + 2 * MINUTE), SETTINGS)) == [1]


@pytest.mark.parametrize("cause", [Cause.UNKNOWN, Cause.OOM, Cause.CODE])
def test_retry_beside_others_is_charged(cause: Cause) -> None:
    seen = situation(finding(1, Cause.NETWORK), finding(2, cause), now=FAILED + 2 * MINUTE)
    answer = plan(seen, SETTINGS)
    assert isinstance(answer, Plan)
    assert answer.uses_retry


def test_repair_lifts_the_budget_and_so_counts_rounds() -> None:
    settings = RecoverySettings(after_repair=True)
    answer = plan(situation(finding(1, Cause.NETWORK), now=None), settings)
    assert isinstance(answer, Plan)
    assert answer.uses_retry


def test_cause_whose_retries_are_not_counted_has_no_budget() -> None:
    """A rule of a user says when the job runs again; only rounds bound how often."""
    own = finding(1, Cause.UNKNOWN)
    clue = Clue(rule="r", cause=own.cause, weight=Weight.FATAL, says="", line="", file="e")
    own = replace(own, clue=replace(clue, remedy=Remedy.RETRY_LATER))
    answer = plan(situation(own, now=FAILED + 2 * MINUTE), SETTINGS)
    assert isinstance(answer, Plan)
    assert answer.uses_retry


JOBS = 3
CAUSES = st.sampled_from([cause for cause in Cause if cause not in (Cause.SUSPECT, Cause.CANCELED)])


@given(st.lists(st.lists(CAUSES, min_size=JOBS, max_size=JOBS), min_size=1), st.integers(0, 4))
def test_recovery_of_jobs_that_always_fail_ends(failures: list[list[Cause]], most: int) -> None:
    """However the causes change from round to round, while no job completes."""
    settings, past, now = RecoverySettings(max_retries=most), PastRounds(began=BEGAN), FAILED
    for causes in itertools.islice(itertools.cycle(failures), 200):
        found = [replace(finding(n, cause), ended=now) for n, cause in enumerate(causes, start=1)]
        answer = plan(situation(*found, past=past, now=now), settings)
        if isinstance(answer, Postponement):
            now = answer.until
            answer = plan(situation(*found, past=past, now=now), settings)
        if isinstance(answer, Refusal):
            assert past.used <= most
            return
        assert isinstance(answer, Plan), "what was announced is not so"
        outcome = RoundOutcome.RESUBMITTED if answer.uses_retry else RoundOutcome.CONTINUED
        past = past.after(outcome, answer)
    pytest.fail("it goes on for ever")


NETWORKS = [finding(number, Cause.NETWORK) for number in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("findings", "past", "phrase"),
    [
        pytest.param(
            [finding(1, Cause.FILE_SYSTEM_FULL), *NETWORKS],
            tried(2),
            "to run 1 job again: file system full; 4 more 6 min later: network unwell",
            id="one-after-the-other",
        ),
        pytest.param(
            [finding(1, Cause.FILE_SYSTEM_FULL), *NETWORKS],
            tried(),
            "to run 5 jobs again: file system full (1), network unwell (4)",
            id="together",
        ),
        pytest.param(NETWORKS, tried(), "to run 4 jobs again: network unwell", id="one-cause"),
        pytest.param(
            [finding(1, Cause.LICENSE), finding(2, Cause.NETWORK), finding(3, Cause.FILE_SYSTEM)],
            tried(3),
            "to run 1 job again: network unwell; 1 more 6 min later: file system unwell; "
            "1 more 8 min later: no license free",
            id="three-times",
        ),
    ],
)
def test_wait_says_how_many_wait_for_what(
    findings: list[Finding], past: PastRounds, phrase: str
) -> None:
    past = replace(
        past, retried=tuple(replace(r, cause=findings[r.job_id - 1].cause) for r in past.retried)
    )
    answer = plan(situation(*findings, past=past), SETTINGS)
    assert isinstance(answer, Postponement)
    assert answer.phrase == phrase


@pytest.mark.parametrize(
    ("minutes", "has_room", "expected"),
    [
        pytest.param(1, True, "waits", id="too-early"),
        pytest.param(3, False, "waits", id="full"),
        pytest.param(3, True, "goes", id="room"),
        pytest.param(24 * 60, False, "handed over", id="full-for-a-day"),
        pytest.param(24 * 60, True, "goes", id="room-after-a-day"),
    ],
)
def test_full_file_system(minutes: float, expected: str, *, has_room: bool) -> None:
    now = FAILED + minutes * MINUTE
    seen = situation(finding(1, Cause.FILE_SYSTEM_FULL), now=now, has_room=has_room)
    answer = plan(seen, SETTINGS)
    words = {Postponement: "waits", Plan: "goes", Refusal: "handed over"}
    assert words[type(answer)] == expected
    if isinstance(answer, Postponement):
        assert answer.until == FAILED + timedelta(days=1)
        assert answer.phrase == "for free space, to run 1 job again: file system full"
    if isinstance(answer, Refusal):
        assert answer.left_alone[0].reason.endswith("files could not be written for 24 hours")


def test_full_file_system_does_not_hold_up_others() -> None:
    seen = situation(finding(1, Cause.FILE_SYSTEM_FULL), finding(2, Cause.OOM), has_room=False)
    assert retried(plan(seen, SETTINGS)) == [2]


@pytest.mark.parametrize("cause", [Cause.NODE, Cause.PREEMPTED, Cause.INTERRUPTED, Cause.GPU])
def test_job_is_not_charged_for_what_its_node_does(cause: Cause) -> None:
    seen = situation(finding(1, cause), past=PastRounds(used=3, began=BEGAN))
    answer = plan(seen, SETTINGS)
    assert isinstance(answer, Plan)
    assert not answer.uses_retry


def test_round_with_a_failure_of_a_job_is_charged() -> None:
    answer = plan(situation(finding(1, Cause.NODE), finding(2, Cause.CODE)), SETTINGS)
    assert isinstance(answer, Plan)
    assert answer.uses_retry


MANY = tuple(finding(number, Cause.UNKNOWN) for number in range(1, 6))


@pytest.mark.parametrize(
    ("used", "limit", "allocations"),
    [
        pytest.param(0, None, 5, id="no-limit"),
        pytest.param(0, 10, 5, id="enough"),
        pytest.param(0, 9.9, 4, id="trimmed"),
        pytest.param(7, 10, 1, id="little-left"),
        pytest.param(8, 10, 1, id="just-enough"),
        pytest.param(8.1, 10, 0, id="too-little"),
        pytest.param(11, 10, 0, id="used-up"),
    ],
)
def test_node_hours_bound_allocations(used: float, limit: float | None, allocations: int) -> None:
    seen = situation(*MANY, node_hours=NodeHours(used=used))
    answer = plan(seen, RecoverySettings(max_node_hours=limit))
    if allocations:
        assert isinstance(answer, Plan)
        assert (len(answer.allocations), answer.unpaid) == (allocations, 5 - allocations)
        is_told = any("Leaving out" in line for line in plan_lines(answer))
        assert is_told is (allocations < 5)
    else:
        assert isinstance(answer, Refusal)
        assert answer.kind is RefusalKind.NODE_HOURS
        assert f"of the {limit} node hours" in answer.reason
        assert "torc-watchd set 42 --max-node-hours" in answer.reason


def test_this_machine_costs_no_node_hours() -> None:
    seen = situation(*MANY, scheduler_type="local", node_hours=NodeHours(used=99))
    local = replace(seen, configs=(replace(ROW, scheduler_type="local"),))
    assert isinstance(plan(local, RecoverySettings(max_node_hours=1)), Plan)


@pytest.mark.parametrize(("reserved", "is_allowed"), [(0, True), (9, False)])
def test_allocations_that_run_count_for_further_ones(reserved: float, *, is_allowed: bool) -> None:
    seen = situation(waiting=(READY,), node_hours=NodeHours(reserved=reserved))
    answer = plan_more(seen, most=5, may_move=True, max_node_hours=10)
    assert isinstance(answer, Plan) == is_allowed
