"""Which failures run again that more memory or time does not mend."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.recovery_round import PastRounds, RecoverySettings, Retry
from torc_watch.core.retry_budget import RetryBudget, storm_objections

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS = RecoverySettings()
NO_RETRIES_OF_UNKNOWN = RecoverySettings(retry_unknown=False)
REPAIRED = RecoverySettings(after_repair=True)


def finding(
    job_id: int,
    cause: Cause,
    *,
    fingerprint: str | None = None,
    remedy: Remedy | None = None,
    ended: datetime | None = BEGAN + timedelta(hours=1),
) -> Finding:
    clue = Clue(
        rule="r", cause=cause, weight=Weight.FATAL, says="", line="", file="e", remedy=remedy
    )
    return Finding(
        job=Job(
            id=job_id,
            name=f"train_{job_id}",
            command="true",
            status=JobStatus.FAILED,
            requirements_id=None,
            attempt=1,
        ),
        cause=cause,
        reason="because",
        requirements=None,
        ended=ended,
        clue=clue,
        fingerprint=fingerprint,
    )


def retry(job_id: int, cause: Cause, fingerprint: str | None = None) -> Retry:
    return Retry(job_id=job_id, job_name="", cause=cause, reason="because", fingerprint=fingerprint)


def past(*retried: Retry) -> PastRounds:
    return PastRounds(retried=retried, began=BEGAN)


FIRST = past()


def allowed(
    *findings: Finding, past: PastRounds = FIRST, settings: RecoverySettings = DEFAULTS
) -> list[int]:
    held_back = objections(*findings, past=past, settings=settings)
    return [each.job.id for each in findings if each.job.id not in held_back]


def objections(
    *findings: Finding, past: PastRounds, settings: RecoverySettings = DEFAULTS
) -> dict[int, str]:
    budget = RetryBudget(past, settings)
    own = {each.job.id: text for each in findings if (text := budget.objection(each))}
    candidates = [each for each in findings if each.job.id not in own]
    return own | storm_objections(candidates, findings, past, settings)


@pytest.mark.parametrize(
    ("cause", "retries"),
    [
        (Cause.CODE, 1),
        (Cause.ENVIRONMENT, 1),
        (Cause.INPUT, 1),
        (Cause.MPI, 1),
        (Cause.NETWORK, 3),
        (Cause.FILE_SYSTEM, 3),
        (Cause.FILE_SYSTEM_FULL, 3),
        (Cause.LICENSE, 3),
        (Cause.GPU, 2),
        (Cause.LIMIT, 0),
        (Cause.GPU_OOM, 0),
        (Cause.REJECTED, 0),
    ],
)
def test_job_runs_again_as_often_as_its_cause_allows(cause: Cause, retries: int) -> None:
    for used in range(5):
        rounds = past(*[retry(7, cause)] * used)
        assert bool(allowed(finding(7, cause), past=rounds)) == (used < retries)


@pytest.mark.parametrize(
    "cause",
    [
        Cause.OOM,
        Cause.TIMEOUT,
        Cause.UNKNOWN,
        Cause.INTERRUPTED,
        Cause.NODE,
        Cause.PREEMPTED,
        Cause.SCHEDULER,
    ],
)
def test_other_causes_are_bounded_by_rounds_alone(cause: Cause) -> None:
    assert allowed(finding(7, cause), past=past(*[retry(7, cause)] * 9)) == [7]


def test_retries_of_other_jobs_and_causes_do_not_count() -> None:
    rounds = past(retry(8, Cause.CODE), retry(7, Cause.NETWORK))
    assert allowed(finding(7, Cause.CODE), past=rounds) == [7]


@pytest.mark.parametrize("before", [Cause.CODE, Cause.ENVIRONMENT, Cause.INPUT])
@pytest.mark.parametrize("now", [Cause.CODE, Cause.ENVIRONMENT, Cause.INPUT])
def test_errors_of_the_program_share_one_retry(before: Cause, now: Cause) -> None:
    """The input is found again, and then there is a bug: no third run shows more."""
    assert allowed(finding(7, now), past=past(retry(7, before))) == []


@pytest.mark.parametrize("ended", [None, BEGAN - timedelta(seconds=1)])
def test_failure_from_before_the_watch_runs_again_once(ended: datetime | None) -> None:
    old = finding(7, Cause.LIMIT, ended=ended)
    assert allowed(old) == [7]
    assert allowed(old, past=past(retry(7, Cause.LIMIT))) == []


def test_without_a_watch_every_failure_is_old() -> None:
    assert allowed(finding(7, Cause.LIMIT), past=PastRounds()) == [7]


def test_remedy_of_a_rule_takes_the_place_of_that_of_its_cause() -> None:
    assert allowed(finding(7, Cause.CODE, remedy=Remedy.HAND_OVER)) == []
    assert allowed(finding(7, Cause.LIMIT, remedy=Remedy.RETRY)) == [7]


def test_repair_makes_every_failure_worth_a_retry() -> None:
    storm = [finding(number, Cause.CODE, fingerprint="f") for number in (7, 8, 9)]
    rounds = past(*[retry(number, Cause.CODE, "f") for number in (7, 8, 9)])
    assert allowed(*storm, past=rounds, settings=REPAIRED) == [7, 8, 9]


def test_nothing_but_memory_and_time_is_mended_without_retries_of_unknown_failures() -> None:
    findings = [finding(7, Cause.CODE), finding(8, Cause.NETWORK), finding(9, Cause.NODE)]
    assert allowed(*findings, settings=NO_RETRIES_OF_UNKNOWN) == [9]


STORM = [finding(number, Cause.CODE, fingerprint="f") for number in (8, 7, 9)]


def test_one_job_of_a_storm_goes_first() -> None:
    assert allowed(*STORM) == [7]
    (objection,) = set(objections(*STORM, past=FIRST).values())
    assert objection == "because; job 7, which failed in the same way, goes first"


def test_two_jobs_are_no_storm() -> None:
    assert allowed(*STORM[:2]) == [8, 7]


def test_others_follow_when_the_first_has_succeeded() -> None:
    assert allowed(STORM[0], STORM[2], past=past(retry(7, Cause.CODE, "f"))) == [8, 9]


def test_none_follows_when_the_first_has_failed_in_the_same_way() -> None:
    rounds = past(retry(7, Cause.CODE, "f"))
    assert allowed(*STORM, past=rounds) == []
    assert (
        objections(*STORM, past=rounds)[8]
        == "because; job 7 was run again and failed in the same way"
    )


def test_failures_of_what_may_pass_are_no_storm() -> None:
    network = [finding(number, Cause.NETWORK, fingerprint="f") for number in (7, 8, 9)]
    assert allowed(*network) == [7, 8, 9]


def test_unlike_failures_are_no_storm() -> None:
    unlike = [finding(number, Cause.CODE, fingerprint=f"f{number}") for number in (7, 8, 9)]
    assert allowed(*unlike) == [7, 8, 9]


def test_job_that_may_not_run_again_is_not_the_first_of_a_storm() -> None:
    rounds = past(retry(7, Cause.CODE, "another"))
    storm = [*STORM, finding(10, Cause.CODE, fingerprint="f")]
    assert allowed(*storm, past=rounds) == [8]


def test_storm_of_thousands_is_decided_in_one_pass() -> None:
    """A second look at all for each of them would be millions."""
    looks = 0

    class Counted(Finding):
        def __getattribute__(self, name: str) -> object:
            nonlocal looks
            looks += name == "fingerprint"
            return super().__getattribute__(name)

    plain = finding(1, Cause.CODE, fingerprint="f")
    values = {each.name: getattr(plain, each.name) for each in fields(plain)}
    storm = [Counted(**values) for _ in range(3000)]
    storm_objections(storm, storm, FIRST, DEFAULTS)
    assert looks < 10 * len(storm)


@pytest.mark.parametrize(
    ("retries", "settings", "is_vain"),
    [
        (2, DEFAULTS, False),
        (3, DEFAULTS, True),
        (9, RecoverySettings(max_retries=None), False),
        (0, RecoverySettings(max_retries=0), False),
        (9, REPAIRED, False),
    ],
)
def test_retries_while_others_ran_count(
    retries: int, settings: RecoverySettings, is_vain: bool
) -> None:
    budget = RetryBudget(PastRounds(in_place=(1,) * retries, began=BEGAN), settings)
    objection = budget.objection(finding(1, Cause.OOM))
    expected = "because; it was retried 3 times while others ran, in vain"
    assert objection == (expected if is_vain else None)
    assert budget.objection(finding(2, Cause.OOM)) is None
