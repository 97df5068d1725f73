"""What jobs request that lacked memory or time: one decision for all of a kind."""

from dataclasses import replace

import pytest

from tests.rigs.failed_kinds import NODE, WORKFLOW, WRITTEN, attempt, failed, situation
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.findings import Finding
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.model import JobStatus
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import PastRounds, Plan, RecoverySettings, Refusal, Retry, Skip
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import ScoutRun, SizingPolicy
from torc_watch.core.units import GIB

EVIDENCE = RecoverySettings()
FIXED = RecoverySettings(sizing=SizingPolicy.FIXED)
LACKED, COMPLETED, OTHER = AttemptEnd.OUT_OF_MEMORY, AttemptEnd.COMPLETED, AttemptEnd.OTHER
KIND = KindKey(workflow_id=42, requirements="small", template="train_*")


def planned(seen: Situation, settings: RecoverySettings = EVIDENCE) -> Plan:
    answer = plan(seen, settings)
    assert isinstance(answer, Plan), answer
    return answer


def gib(answer: Plan) -> dict[int, float]:
    return {each.job_id: each.memory[1] / GIB for each in answer.retries if each.memory}


def held(answer: Plan) -> list[int]:
    return [each.job_id for each in answer.left_alone if each.is_held]


def out_of_memory(*job_ids: int) -> list[Finding]:
    return [failed(job_id) for job_id in job_ids]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_few_jobs_of_a_kind_get_half_as_much_again(jobs: int) -> None:
    answer = planned(situation(out_of_memory(*range(1, jobs + 1))))
    assert gib(answer) == dict.fromkeys(range(1, jobs + 1), 12)
    assert answer.sizing == ()  # the lines of the fixes say it all


def test_of_a_kind_that_fails_as_a_whole_one_goes_first() -> None:
    answer = planned(situation(out_of_memory(1, 2, 3, 4, 5)))
    assert gib(answer) == {3: 64}
    assert [each.is_scout for each in answer.retries] == [True]
    assert held(answer) == [1, 2, 4, 5]
    assert {each.reason for each in answer.left_alone} == {"train_3 goes first"}
    (sentence,) = answer.sizing
    assert sentence == (
        "train_*: 5 of 5 failed at 8g; train_3 goes first with 64g, "
        "the others wait for what it needs."
    )
    assert [each.job_ids for each in answer.adjustments] == [(3,)]


def test_none_goes_first_where_many_of_the_kind_completed() -> None:
    peers = [attempt(job_id, used=6) for job_id in range(10, 20)]
    answer = planned(situation(out_of_memory(1, 2, 3, 4, 5), peers, completed=10))
    assert gib(answer) == dict.fromkeys((1, 2, 3, 4, 5), 12)


def test_none_goes_first_where_nothing_is_known_of_those_that_completed() -> None:
    answer = planned(situation(out_of_memory(1, 2, 3, 4, 5), completed=95))
    assert gib(answer) == dict.fromkeys((1, 2, 3, 4, 5), 12)


def after_scout(end: AttemptEnd, used: float | None = None) -> list[SizedAttempt]:
    """Of five jobs the third went first, with 64 GiB."""
    first = [attempt(job_id, LACKED) for job_id in (1, 2, 3, 4, 5)]
    return [*first, attempt(3, end, gib=64, used=used, run_id=2, is_scout=True)]


def test_what_the_scout_used_is_what_the_others_get() -> None:
    seen = situation(out_of_memory(1, 2, 4, 5), after_scout(COMPLETED, used=20), completed=1)
    answer = planned(seen)
    assert gib(answer) == dict.fromkeys((1, 2, 4, 5), 24)
    assert answer.sizing == ("train_*: one that completed used 20g; 4 get 24g.",)


def test_failure_of_the_scout_frees_those_that_wait() -> None:
    larger = replace(WRITTEN, id=4, name="small.run2.64g.PT1H", memory=64 * GIB)
    findings = [*out_of_memory(1, 2, 4, 5), failed(3, asked=larger, run_id=2)]
    answer = planned(situation(findings, after_scout(LACKED), rows=(larger,)))
    assert gib(answer) == {1: 16, 2: 16, 4: 16, 5: 16, 3: 240}
    assert not held(answer)
    assert [each.job_id for each in answer.retries if each.is_scout] == [3]


def test_scout_that_failed_for_another_reason_frees_those_that_wait() -> None:
    findings = [*out_of_memory(1, 2, 4, 5), failed(3, Cause.UNKNOWN, run_id=2)]
    answer = planned(situation(findings, after_scout(OTHER)))
    assert gib(answer) == dict.fromkeys((1, 2, 4, 5), 16)
    assert not held(answer)


def test_scout_that_completed_unmeasured_frees_those_that_wait() -> None:
    seen = situation(out_of_memory(1, 2, 4, 5), after_scout(COMPLETED), completed=1)
    assert gib(planned(seen)) == dict.fromkeys((1, 2, 4, 5), 16)


def test_scout_that_runs_is_waited_for() -> None:
    run = ScoutRun(job_id=3, job_name="train_3", ran=10, killed_after=100)
    late = replace(run, ran=201)
    before = situation(
        [*out_of_memory(1, 2, 4, 5), failed(9, Cause.UNKNOWN)],
        [attempt(3, LACKED)],
        scout_runs={KIND: run},
    )
    waiting = planned(before)
    assert held(waiting) == [1, 2, 4, 5]
    reasons = {each.reason for each in waiting.left_alone if each.is_held}
    assert reasons == {"train_3 goes first"}
    released = planned(replace(before, scout_runs={KIND: late}))
    assert gib(released) == dict.fromkeys((1, 2, 4, 5), 12)


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        pytest.param(RecoverySettings(max_retries=1), 0, id="the only round"),
        pytest.param(RecoverySettings(max_retries=3), 2, id="the last one"),
        pytest.param(RecoverySettings(max_retries=None), 0, id="one that the user asks for"),
        pytest.param(RecoverySettings(choice=JobChoice(memory=9 * GIB)), 0, id="as the user says"),
    ],
)
def test_none_is_held(settings: RecoverySettings, used: int) -> None:
    seen = situation(out_of_memory(1, 2, 3, 4, 5), past=PastRounds(ended=used, used=used))
    answer = planned(seen, settings)
    assert gib(answer) == dict.fromkeys((1, 2, 3, 4, 5), 12)
    assert not held(answer)


def test_jobs_that_torc_restarts_anyway_are_not_held() -> None:
    ended = [failed(job_id, status=JobStatus.TERMINATED) for job_id in (1, 2)]
    answer = planned(situation([*ended, *out_of_memory(3, 4, 5)]))
    assert gib(answer) == {1: 12, 2: 12, 3: 64}
    assert held(answer) == [4, 5]


def test_none_goes_first_if_nobody_may_wait() -> None:
    ended = [failed(job_id, status=JobStatus.TERMINATED) for job_id in range(1, 6)]
    assert gib(planned(situation(ended))) == dict.fromkeys(range(1, 6), 12)


@pytest.mark.parametrize(
    ("before", "after"), [((), 12), ((LACKED,), 16), ((LACKED, LACKED), 32), ((OTHER,), 12)]
)
def test_memory_climbs_with_each_attempt_that_lacked_it(
    before: tuple[AttemptEnd, ...], after: int
) -> None:
    past = [attempt(1, end, run_id=number) for number, end in enumerate(before, start=1)]
    answer = planned(situation([failed(1, run_id=len(before) + 1)], past))
    assert gib(answer) == {1: after}
    said = "train_1: none is known to complete with more than 8g; train_1 gets"
    assert answer.sizing == ((f"{said} {after}g.",) if after > 12 else ())


@pytest.mark.parametrize(("lacked", "hours"), [(0, 2), (1, 3), (2, 4), (3, 4)])
def test_time_climbs_a_ladder_of_its_own(lacked: int, hours: int) -> None:
    past = [attempt(1, AttemptEnd.OUT_OF_TIME, run_id=run) for run in range(lacked)]
    finding = failed(1, Cause.TIMEOUT, run_id=9, ran=3605.0)
    (retry,) = planned(situation([finding], past)).retries
    assert (retry.memory, retry.runtime) == (None, (3600, hours * 3600))


def test_many_jobs_without_time_are_all_retried() -> None:
    answer = planned(situation([failed(number, Cause.TIMEOUT) for number in range(9)]))
    assert {each.runtime for each in answer.retries} == {(3600, 7200)}


def test_job_that_ran_far_beyond_its_limit_gets_more_than_it_ran() -> None:
    (retry,) = planned(situation([failed(1, Cause.TIMEOUT, ran=10_000.0)])).retries
    assert retry.runtime is not None
    assert 20_000 <= retry.runtime[1] <= 20_700


@pytest.mark.parametrize(
    ("peak", "line", "after"),
    [
        pytest.param(None, "", 12, id="nothing known"),
        pytest.param(6 * GIB, "", 12, id="sampled below the limit"),
        pytest.param(10 * GIB, "", 15, id="seen above the limit"),
        pytest.param(None, "Unable to allocate 20.0 GiB", 30, id="what it wanted"),
        pytest.param(40 * GIB, "Unable to allocate 20.0 GiB", 60, id="the larger counts"),
        pytest.param(None, "cupy: Unable to allocate 20.0 GiB", 12, id="of a GPU"),
    ],
)
def test_what_was_seen_of_the_job_counts(peak: int | None, line: str, after: float) -> None:
    clue = Clue(rule="r", cause=Cause.OOM, weight=Weight.FATAL, says="", line=line, file="x.e")
    answer = planned(situation([failed(1, peak_memory=peak, clue=clue)]))
    assert gib(answer) == {1: after}


def test_peak_that_only_the_journal_knows_counts() -> None:
    assert gib(planned(situation([failed(1)], [attempt(1, LACKED, used=20)]))) == {1: 30}


def test_jobs_seen_to_need_about_the_same_share_a_row() -> None:
    findings = [failed(number, peak_memory=10 * GIB + number) for number in (1, 2, 3)]
    answer = planned(situation(findings))
    assert [each.job_ids for each in answer.adjustments] == [(1, 2, 3)]


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (
            failed(1, asked=replace(WRITTEN, memory=240 * GIB)),
            "needs more than 240g, the most that a node has: no retry can help",
        ),
        (
            failed(1, peak_memory=241 * GIB),
            "needs more than 240g, the most that a node has: no retry can help",
        ),
        (
            failed(1, Cause.TIMEOUT, asked=replace(WRITTEN, runtime=86_400)),
            "needs longer than P1D, the longest that a node has: no retry can help",
        ),
        (
            failed(1, asked=replace(WRITTEN, memory=300 * GIB)),
            "it requests 300g of memory, and a node has at most 240g",
        ),
    ],
)
def test_job_that_had_all_there_is_is_left_alone(finding: Finding, reason: str) -> None:
    answer = plan(situation([finding]), EVIDENCE)
    assert isinstance(answer, Refusal)
    assert [each.reason for each in answer.left_alone] == [reason]


@pytest.mark.parametrize("peak", [200 * GIB, 479 * GIB // 2])
def test_request_is_clamped_to_what_there_is(peak: int) -> None:
    assert gib(planned(situation([failed(1, peak_memory=peak)]))) == {1: 240}


def test_scout_does_not_go_where_the_next_step_is_all_there_is() -> None:
    nodes = (replace(NODE, memory=12 * GIB),)
    answer = planned(situation(out_of_memory(1, 2, 3, 4), nodes=nodes))
    assert gib(answer) == dict.fromkeys((1, 2, 3, 4), 12)


def test_kinds_do_not_mix() -> None:
    """Four of each failed, but they are of two kinds, of which one has a peer that used more."""
    mine = [failed(number, name=f"train_{number}") for number in (1, 2, 3, 4)]
    others = [failed(number, name=f"score_{number}") for number in (11, 12, 13)]
    peer = attempt(19, name="score_9", gib=64, used=40)
    answer = planned(situation([*mine, *others], [peer], completed=1))
    assert gib(answer) == {3: 64, 11: 48, 12: 48, 13: 48}
    assert held(answer) == [1, 2, 4]


def test_rows_that_were_raised_before_are_of_the_same_kind() -> None:
    raised = replace(WRITTEN, id=4, name="small.run2.12g.PT2H.4cpus", memory=12 * GIB)
    findings = [*out_of_memory(1, 2), failed(3, asked=raised), failed(4, asked=raised)]
    assert len(held(planned(situation(findings, rows=(raised,))))) == 3


def test_request_that_a_user_has_raised_meanwhile_is_not_raised_again() -> None:
    edited = replace(WRITTEN, memory=20 * GIB)
    answer = planned(situation([failed(1, asked=edited)], [attempt(1, LACKED)]))
    (retry,) = answer.retries
    assert (retry.memory, answer.adjustments) == (None, ())


def test_request_that_a_user_has_lowered_is_never_below_the_written_one() -> None:
    edited = replace(WRITTEN, id=4, name="small.run2.2g.PT1H", memory=2 * GIB)
    assert gib(planned(situation([failed(1, asked=edited)], rows=(edited,)))) == {1: 8}


def test_holes_in_the_history_say_nothing() -> None:
    holes = [
        replace(attempt(2, used=90, gib=100), memory=None),
        replace(attempt(3, gib=100), peak=float("nan")),
        replace(attempt(4, gib=100), peak=0.0),
        replace(attempt(5, OTHER, gib=100), peak=1e12),
    ]
    assert gib(planned(situation([failed(1)], holes, completed=4))) == {1: 12}


def test_attempt_of_a_finding_counts_once() -> None:
    """The journal has it already, and perhaps as another end."""
    for known in (attempt(1, LACKED), attempt(1, OTHER)):
        assert gib(planned(situation([failed(1)], [known]))) == {1: 12}


def test_finding_without_a_result_is_of_the_run_that_came_to_rest() -> None:
    seen = situation([replace(failed(1), run_id=None)], [attempt(1, LACKED)])
    assert seen.workflow is WORKFLOW
    assert gib(planned(seen)) == {1: 12}


@pytest.mark.parametrize("cause", [Cause.GPU_OOM, Cause.UNKNOWN, Cause.INTERRUPTED])
def test_nothing_else_is_mended_by_memory(cause: Cause) -> None:
    peers = [attempt(number, gib=100, used=90) for number in (7, 8)]
    findings = [failed(1, cause, peak_memory=100 * GIB), failed(2, Cause.TIMEOUT)]
    answer = planned(situation(findings, peers, completed=2))
    assert gib(answer) == {}
    assert all(each.memory == 8 * GIB for each in answer.adjustments)


def test_job_without_requirements_is_retried_as_it_is() -> None:
    answer = planned(situation([failed(1, asked=None), failed(2, Cause.TIMEOUT, asked=None)]))
    assert [(each.memory, each.runtime) for each in answer.retries] == [(None, None)] * 2


def test_chosen_job_is_sized_alone_and_what_the_user_says_is_the_least() -> None:
    one = RecoverySettings(choice=JobChoice(jobs=("train_2",)))
    seen = situation(out_of_memory(1, 2, 3, 4, 5))
    answer = planned(seen, one)
    assert gib(answer) == {2: 12}
    assert {each.reason for each in answer.left_alone} == {"another job was chosen (--job)"}
    more = RecoverySettings(choice=JobChoice(jobs=("2",), memory=100 * GIB))
    again = planned(replace(seen, attempts=(attempt(2, LACKED, run_id=0),)), more)
    assert gib(again) == {2: 100}
    assert again.sizing == ()


def test_sentence_counts_only_the_jobs_that_the_user_chose() -> None:
    past = [attempt(number, LACKED, run_id=0) for number in (1, 2)]
    chosen = RecoverySettings(choice=JobChoice(jobs=("train_2",)))
    answer = planned(situation(out_of_memory(1, 2), past), chosen)
    assert answer.sizing == (
        "train_*: none is known to complete with more than 8g; train_2 gets 16g.",
    )


def test_fixed_multipliers_do_as_ever() -> None:
    seen = situation(
        [*out_of_memory(1, 2, 3, 4, 5), failed(6, Cause.TIMEOUT)],
        [attempt(9, gib=64, used=40)],
    )
    answer = planned(seen, FIXED)
    assert gib(answer) == dict.fromkeys((1, 2, 3, 4, 5), 12)
    assert answer.retries[-1].runtime == (3600, 5400)
    assert (answer.sizing, answer.left_alone, answer.raises) == ((), (), ())


def test_ten_thousand_kinds_of_one_job() -> None:
    names = [
        f"{'abcdefghij'[number % 10]}{'x' * (number // 10 % 100)}{'y' * (number // 1000)}"
        for number in range(10_000)
    ]
    findings = [failed(number, name=name) for number, name in enumerate(names)]
    peers = [attempt(20_000 + number, name=name, used=4) for number, name in enumerate(names)]
    answer = planned(situation(findings, peers))
    assert set(gib(answer).values()) == {12.0}
    assert len(answer.retries) == 10_000


def test_decisions_are_in_the_order_of_the_findings() -> None:
    answer = plan(situation([failed(5, Cause.TIMEOUT), failed(4), failed(3, Cause.UNKNOWN)]), FIXED)
    assert isinstance(answer, Plan)
    assert [each.job_id for each in answer.retries] == [5, 4, 3]


def test_retry_says_which_attempt_failed() -> None:
    finding = failed(1)
    seen = situation([replace(finding, job=replace(finding.job, attempt=3))])
    assert [each.attempt for each in planned(seen).retries] == [3]
    assert Retry.__dataclass_fields__["attempt"].default is None
    assert Skip.__dataclass_fields__["is_held"].default is False
