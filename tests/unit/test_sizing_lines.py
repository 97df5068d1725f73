"""Where plans say why jobs request what they do: one sentence for each kind."""

from collections.abc import Iterable

import pytest

from tests.rigs.failed_kinds import attempt, failed, job, situation
from torc_watch.core import policy
from torc_watch.core.cause import Cause
from torc_watch.core.kind_history import AttemptEnd
from torc_watch.core.model import JobStatus
from torc_watch.core.past_watch import PastRound
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.situation import Situation
from torc_watch.render.history_text import rounds_text
from torc_watch.render.plan_text import plan_text
from torc_watch.render.report_page.repairs import sizing_sentences
from torc_watch.render.transcript import plan_lines

SENTENCE = (
    "train_*: 5 of 5 failed at 8g; train_3 goes first with 64g, the others wait for what it needs."
)
HELD = "Jobs 1 (train_1), 2 (train_2), 4 (train_4), 5 (train_5)"
PEERS = [(8, "train_8"), (9, "score_9")]
SCOUT = situation([failed(number) for number in range(1, 6)])


def planned(seen: Situation) -> Plan:
    answer = policy.plan(seen, RecoverySettings(cpu_multiplier=2.0))
    assert isinstance(answer, Plan)
    return answer


def past(plan: Plan) -> PastRound:
    return PastRound(
        number=1,
        run_id=1,
        began="2026-11-30T06:00:00+00:00",
        ended="2026-11-30T06:01:00+00:00",
        outcome="resubmitted",
        last_step="done",
        plan=plan,
    )


def once(lines: Iterable[str], sentence: str) -> bool:
    return sum(sentence in line for line in lines) == 1


def test_plan_transcript_history_and_report_say_it_once() -> None:
    plan = planned(SCOUT)
    assert once(plan_lines(plan), SENTENCE)
    assert once(plan_text(42, plan), SENTENCE)
    assert once(rounds_text([past(plan)]), SENTENCE)
    assert sizing_sentences([past(plan)]) == [f"Round 1: {SENTENCE}"]


def test_lines_of_a_kind_that_waits_for_one_of_its_jobs() -> None:
    assert list(plan_lines(planned(SCOUT))) == [
        "  Job 3 (train_3): OOM detected, increasing memory 8g -> 64g",
        "  Fixes: 1 OOM, 0 timeout",
        f"  {SENTENCE}",
        f"  {HELD}: held: train_3 goes first",
    ]


def test_each_kind_has_its_own_sentence() -> None:
    peers = [attempt(number, name=name, gib=64, used=20) for number, name in PEERS]
    findings = [
        failed(number, name=f"{kind}_{number}")
        for number, kind in enumerate(["train", "score"] * 3)
    ]
    waiting = [job(30, status=JobStatus.READY)]
    lines = list(plan_lines(planned(situation(findings, peers, waiting=waiting, completed=2))))
    assert once(lines, "train_*: one that completed used 20g; 3 get 24g.")
    assert once(lines, "score_*: one that completed used 20g; 3 get 24g.")
    assert once(lines, "train_*: 3 of 4 failed; 1 that waits gets 21g before it starts.")


def test_name_of_a_job_cannot_clear_the_screen() -> None:
    findings = [failed(1, name="a\x1b[2J1", run_id=2)]
    lacked = attempt(1, AttemptEnd.OUT_OF_MEMORY, name="a\x1b[2J1")
    lines = list(plan_lines(planned(situation(findings, [lacked]))))
    assert once(lines, "none is known to complete with more than 8g")
    assert not any("\x1b" in line for line in lines)


def test_first_step_is_told_as_ever() -> None:
    assert list(plan_lines(planned(situation([failed(1)])))) == [
        "  Job 1 (train_1): OOM detected, increasing memory 8g -> 12g",
        "  Fixes: 1 OOM, 0 timeout",
    ]


def test_more_cpus_are_told_with_the_run_time() -> None:
    (line, _) = plan_lines(planned(situation([failed(1, Cause.TIMEOUT)])))
    assert line.endswith("Timeout detected, increasing runtime PT1H -> PT2H, CPUs 2 -> 4")


@pytest.mark.parametrize(("kinds", "more"), [(50, 0), (53, 1)])
def test_sentences_of_many_kinds_are_capped(kinds: int, more: int) -> None:
    names = ["x" * (number + 1) for number in range(kinds)]
    findings = [failed(number, name=name, run_id=2) for number, name in enumerate(names)]
    lacked = [
        attempt(number, AttemptEnd.OUT_OF_MEMORY, name=name) for number, name in enumerate(names)
    ]
    lines = list(plan_lines(planned(situation(findings, lacked))))
    assert sum("none is known" in line for line in lines) == 50
    assert sum("so for 3 more kinds" in line for line in lines) == more
