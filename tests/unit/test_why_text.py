"""Failures in groups, as text and as values for scripts."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from tests.rigs.json_shapes import assert_documented
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.events import FailedJob
from torc_watch.core.explanation import group_failures, those_of
from torc_watch.core.fact import ALLOCATIONS_NOT_READ, NOT_READ, Confidence, Fact, Source
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.past_attempt import PastAttempt
from torc_watch.core.recovery_round import (
    Plan,
    Postponement,
    Refusal,
    RefusalKind,
    Retry,
    Skip,
    Wait,
)
from torc_watch.core.suspect_success import Suspicion, SuspicionKind
from torc_watch.core.units import GIB
from torc_watch.render.suspect_text import rerun_command, suspect_values, suspects_section
from torc_watch.render.why_text import why_text, why_values

MODULE = Clue(
    rule="python-module",
    cause=Cause.ENVIRONMENT,
    weight=Weight.FATAL,
    says="a Python module is missing",
    line="ModuleNotFoundError: No module named 'pandas'",
    file="out/job_stdio/job_wf42_j1_r1_a1.e",
    fingerprint="python-module: ModuleNotFoundError: No module named '…'",
)
FACTS = (
    Fact(source=Source.STEP, text="step 7.3 FAILED 1:0"),
    Fact(source=Source.OUTPUT, text=f"{MODULE.says}: {MODULE.line}", file=MODULE.file),
    Fact(source=Source.EXIT_CODE, text="exit code 1"),
)
SLURM = replace(
    MODULE, rule="slurm-oom-kill", cause=Cause.OOM, says="Slurm saw a kill", line="slurmstepd: ..."
)


def finding(job_id: int, clue: Clue | None = MODULE, reason: str = "") -> Finding:
    return Finding(
        job=Job(
            id=job_id,
            name=f"train_{job_id}",
            command="true",
            status=JobStatus.FAILED,
            requirements_id=None,
            attempt=1,
        ),
        cause=clue.cause if clue else Cause.UNKNOWN,
        reason=reason or (f"{clue.says}: {clue.line}" if clue else "exit code 3"),
        requirements=None,
        clue=clue,
        fingerprint=clue.fingerprint if clue else None,
        confidence=Confidence.LIKELY if clue else Confidence.GUESS,
        facts=FACTS if clue else (),
    )


SUSPECT = Suspicion(
    job=finding(7).job,
    kind=SuspicionKind.OOM_KILL,
    reason="its step ran out of memory",
    clue=SLURM,
)


def skip(job_id: int, reason: str) -> Skip:
    return Skip(
        job_id=job_id,
        job_name="",
        cause=Cause.ENVIRONMENT,
        reason=f"a Python module is missing: {MODULE.line}; {reason}",
        restarts_anyway=False,
    )


def refusal(*left_alone: Skip) -> Refusal:
    return Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason="", left_alone=left_alone)


TRIED = Retry(job_id=1, job_name="", cause=Cause.ENVIRONMENT, reason="")


def test_failures_for_the_same_reason_are_told_once() -> None:
    findings = [finding(3, None), *(finding(number) for number in (2, 1))]
    answer = refusal(skip(1, "in vain"), skip(2, "in vain"))
    groups = group_failures(findings, answer, [TRIED])
    assert list(why_text(42, groups)) == [
        "3 jobs of workflow 42 failed, for 2 reasons:",
        "",
        "Environment (likely): 2 jobs",
        "  a Python module is missing: ModuleNotFoundError: No module named 'pandas'",
        "  written in out/job_stdio/job_wf42_j1_r1_a1.e",
        "  evidence of job 1:",
        "    slurm step: step 7.3 FAILED 1:0",
        "    exit code: 1",
        "  jobs: 1 (train_1), 2 (train_2)",
        "  run again before: once, all these jobs together",
        "  torc-watchd recover 42 would not run them again (in vain)",
        "",
        "Unknown failure (guess): 1 job",
        "  exit code 3",
        "  jobs: 3 (train_3)",
        "  what it has written: torc-watchd jobs logs 3",
    ]


def test_unknown_failure_is_told_with_the_last_error_line() -> None:
    groups = group_failures([finding(3, None), finding(4, None), finding(1)], None)
    written = [
        FailedJob(job_id=1, job_name="", reason="", errors="1.e", last_words="is explained"),
        FailedJob(job_id=3, job_name="", reason="", errors="3.e"),
        FailedJob(job_id=4, job_name="", reason="", errors="4.e", last_words="\x1b[1m" + "x" * 900),
    ]
    lines = list(why_text(42, groups, errors=written))
    line, how_to_see_all = lines[5:7]
    assert line.startswith("  last error line of job 4: \\x1b[1mxxx")
    assert len(line) < 600
    assert how_to_see_all == "  what it has written: torc-watchd jobs logs 4"
    assert not any("is explained" in line for line in lines)
    values = why_values(42, groups, errors=written)["failures"]
    told = [(each["errors"], (each["last_words"] or "")[-3:]) for each in values]
    assert told == [("4.e", "xxx"), (None, "")]


def test_jobs_of_a_group_that_are_treated_differently() -> None:
    answer = refusal(skip(1, "in vain"), skip(2, "job 1 goes first"), skip(3, "job 1 goes first"))
    groups = group_failures([finding(number) for number in (1, 2, 3)], answer)
    assert list(why_text(42, groups, of_watch=True))[-2:] == [
        "  the next round of its watch would not run it again (in vain): 1 job",
        "  the next round of its watch would not run them again (job 1 goes first): 2 jobs",
    ]


def test_what_differs_in_the_errors_alone_is_told_once() -> None:
    errors = {1: "KeyError: 1", 2: "KeyError: 2", 3: "KeyError: 3"}
    findings = [replace(finding(number), reason=text) for number, text in errors.items()]
    skips = (replace(skip(each.job.id, ""), reason=f"{each.reason}; in vain") for each in findings)
    answer = refusal(*skips)
    lines = list(why_text(42, group_failures(findings, answer), of_watch=True))
    assert lines[-1] == "  the next round of its watch would not run them again (in vain)"


@pytest.mark.parametrize(
    ("awaits_room", "said"),
    [
        pytest.param(False, "until 2026-01-02 03:04 to run it again", id="a time"),
        pytest.param(
            True, "for free space, until 2026-01-02 03:04 at the latest, to run it again", id="room"
        ),
    ],
)
def test_jobs_that_wait(*, awaits_room: bool, said: str) -> None:
    until = datetime(2026, 1, 2, 3, 4).astimezone()
    answer = Postponement(
        not_before=until,
        until=until,
        awaits_room=awaits_room,
        waits=(Wait(cause=Cause.NETWORK, not_before=until, jobs=1),),
        retries=(TRIED,),
        left_alone=(skip(2, "in vain"),),
    )
    groups = group_failures([finding(1), finding(2)], answer)
    assert list(why_text(42, groups, of_watch=True))[-2:] == [
        f"  waits {said}: 1 job; at once: torc-watchd resume 42",
        "  the next round of its watch would not run it again (in vain): 1 job",
    ]
    assert why_values(42, groups)["failures"][0]["jobs"][0]["next"] == f"wait {said}"


def test_what_speaks_against_a_cause_is_told() -> None:
    (group,) = group_failures([replace(finding(1), contradictions=(SLURM,))], None)
    assert "  but also: Slurm saw a kill: slurmstepd: ..." in list(why_text(42, [group]))


def test_many_jobs_are_named_in_part() -> None:
    (group,) = group_failures([finding(number) for number in range(1, 13)], None)
    (names,) = [line for line in why_text(42, [group]) if line.startswith("  jobs: ")]
    assert names.endswith(", 10 (train_10) and 2 more")


RAISED = PastAttempt(run_id=1, attempt=1, cause=Cause.OOM, reason="killed (137)", memory=2 * GIB)
AGAIN = PastAttempt(run_id=2, attempt=1, cause=None, reason="completed")
LATE = PastAttempt(run_id=3, attempt=1, cause=Cause.TIMEOUT, reason="killed", runtime=90)


def test_earlier_attempts_of_a_job() -> None:
    groups = group_failures([finding(1)], None)
    assert list(why_text(42, groups, [RAISED, AGAIN, LATE]))[-4:] == [
        "  earlier attempts:",
        "    run 1: out of memory with 2g: killed (137)",
        "    run 2: completed",
        "    run 3: out of time with 1 min 30 s: killed",
    ]


def test_what_was_not_read_in_time_is_told() -> None:
    unread = [replace(finding(number, None), facts=(NOT_READ,)) for number in (1, 2)]
    late = replace(finding(3, None), facts=(ALLOCATIONS_NOT_READ,))
    groups = group_failures([*unread, late, finding(4)], None)
    (line,) = [text for text in why_text(42, groups) if "not read" in text and text[0] != " "]
    assert line.startswith("What 3 jobs wrote was not read in time: ")
    assert why_values(42, groups)["unread"] == 3
    assert why_values(42, group_failures([finding(4)], None))["unread"] == 0


def test_id_counts_before_a_name() -> None:
    seventh, other = finding(7), finding(9)
    other = replace(other, job=replace(other.job, name="7"))
    assert those_of("7", (other, seventh)) == (seventh,)
    assert those_of("7", (other,)) == (other,)
    assert those_of("train_7", (other, seventh)) == (seventh,)
    assert those_of("8", (other, seventh)) == ()


def test_no_failure() -> None:
    assert list(why_text(42, [])) == ["No job of workflow 42 has failed."]


def test_values_for_scripts() -> None:
    groups = group_failures([finding(1)], refusal(skip(1, "in vain")), [TRIED])
    values = why_values(42, groups)
    (group,) = values["failures"]
    assert (group["cause"], group["retries"]) == ("environment", 1)
    assert group["evidence"] == {
        "rule": "python-module",
        "cause": "environment",
        "says": MODULE.says,
        "line": MODULE.line,
        "file": MODULE.file,
    }
    assert group["confidence"] == "likely"
    assert group["facts"][0] == {
        "source": "slurm step",
        "text": "step 7.3 FAILED 1:0",
        "file": None,
        "cause": None,
    }
    (job,) = group["jobs"]
    assert (job["job_id"], job["next"]) == (1, "not run it again (in vain)")


def test_values_are_as_described() -> None:
    findings = [
        replace(finding(1), contradictions=(SLURM,), ran=1.5, node="n1"),
        finding(2, None),
    ]
    values = why_values(42, group_failures(findings, None), [RAISED, AGAIN])
    suspects = {"suspects": suspect_values([SUSPECT])}
    assert_documented("why", json.loads(json.dumps({"version": 1, **values, **suspects})))


def test_suspects_are_shown_with_what_they_wrote() -> None:
    assert list(suspects_section([SUSPECT])) == [
        "",
        "Suspect success: 1 job completed, but something speaks against it:",
        "  Job 7 (train_7): its step ran out of memory",
        f"  written in {SLURM.file}",
    ]
    assert list(suspects_section([])) == []
    assert list(suspects_section([SUSPECT], "torc-watchd recover 42"))[-1] == (
        "  To run it again: torc-watchd recover 42"
    )


def round_of(*retries: Retry) -> Plan:
    return Plan(
        workflow_id=42,
        run_id=1,
        number=1,
        retries=retries,
        uninitialized=0,
        left_alone=(),
        adjustments=(),
        scheduler_config_id=None,
        allocations=(),
    )


RECOVER = "torc-watchd recover 42 --rerun-suspects"
SET = "torc-watchd set 42 --rerun-suspects, then torc-watchd resume 42"
NEARBY = replace(SUSPECT, kind=SuspicionKind.OOM_NEARBY)


@pytest.mark.parametrize(
    ("suspects", "answer", "is_watched", "command"),
    [
        pytest.param([SUSPECT], refusal(), False, RECOVER, id="not watched"),
        pytest.param([SUSPECT], refusal(), True, SET, id="watched"),
        pytest.param([SUSPECT], round_of(TRIED), False, RECOVER, id="others run again"),
        pytest.param(
            [SUSPECT],
            round_of(replace(TRIED, job_id=7, cause=Cause.SUSPECT)),
            False,
            "",
            id="the round does it",
        ),
        pytest.param([NEARBY], refusal(), False, "", id="one of several"),
        pytest.param([], refusal(), False, "", id="none"),
    ],
)
def test_command_that_runs_suspects_again(
    suspects: list[Suspicion], answer: Plan | Refusal, *, is_watched: bool, command: str
) -> None:
    assert rerun_command(42, suspects, answer, is_watched=is_watched) == command
