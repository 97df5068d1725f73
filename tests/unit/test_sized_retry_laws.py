"""What holds for all decisions about jobs that lacked memory or time, whatever is known of them."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.rigs.failed_kinds import NODE, WRITTEN, attempt, failed, job, situation
from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.model import JobStatus, Requirements
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import Plan, Raise, RecoverySettings, Refusal, Retry, Skip
from torc_watch.core.situation import Situation
from torc_watch.core.units import MIB

KINDS = ("train", "score")
MORE_CPUS = RecoverySettings(cpu_multiplier=1.5)


def name_of(job_id: int) -> str:
    """The kind of a job does not change."""
    return f"{KINDS[job_id % 2]}_{job_id}"


amounts = st.integers(1, 300 * 1024).map(lambda number: number * MIB)
edited = amounts.map(
    lambda memory: replace(WRITTEN, id=memory, name="small.run1.edited.by_hand", memory=memory)
)
findings = st.lists(
    st.builds(
        lambda job_id, cause, asked, status, peak, ran: failed(
            job_id,
            cause,
            name=name_of(job_id),
            asked=asked,
            status=status,
            peak_memory=peak,
            ran=ran,
        ),
        job_id=st.integers(1, 30),
        cause=st.sampled_from([Cause.OOM, Cause.OOM, Cause.TIMEOUT, Cause.GPU_OOM, Cause.UNKNOWN]),
        asked=st.none() | st.just(WRITTEN) | edited,
        status=st.sampled_from([JobStatus.FAILED, JobStatus.FAILED, JobStatus.TERMINATED]),
        peak=st.none() | amounts,
        ran=st.none() | st.floats(0, 1e6),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda finding: finding.job.id,
)
attempts = st.lists(
    st.builds(
        lambda job_id, end, gib, used, run_id, scout: attempt(
            job_id,
            end,
            name=name_of(job_id),
            gib=gib,
            used=used,
            run_id=run_id,
            is_scout=scout,
        ),
        job_id=st.integers(1, 40),
        end=st.sampled_from(AttemptEnd),
        gib=st.integers(0, 300),
        used=st.none() | st.floats(allow_nan=True, min_value=None, max_value=None),
        run_id=st.integers(0, 2),
        scout=st.booleans(),
    ),
    max_size=20,
)
waiting_jobs = st.lists(
    st.builds(
        lambda job_id, status: job(job_id, name_of(job_id), status),
        job_id=st.integers(50, 60),
        status=st.sampled_from(JobStatus),
    ),
    max_size=5,
    unique_by=lambda each: each.id,
)
situations = st.builds(
    lambda known, past, waiting: situation(
        known, past, waiting=waiting, rows=_rows(known), completed=0
    ),
    findings,
    attempts,
    waiting_jobs,
)


def _rows(known: Sequence[Finding]) -> list[Requirements]:
    return [each.requirements for each in known if each.requirements is not None]


def answer_to(seen: Situation) -> Plan | Refusal:
    answer = plan(seen, MORE_CPUS)
    assert isinstance(answer, Plan | Refusal)
    return answer


def decided(answer: Plan | Refusal) -> dict[int, Retry | Skip]:
    return {each.job_id: each for each in every(answer)}


def every(answer: Plan | Refusal) -> list[Retry | Skip]:
    retries = answer.retries if isinstance(answer, Plan) else ()
    return [*retries, *answer.left_alone]


@given(situations)
def test_requests_are_within_bounds(seen: Situation) -> None:
    """Never below what the user wrote or the job asks for now, never above what there is."""
    answer = answer_to(seen)
    asked = {each.job.id: each.requirements for each in seen.findings}
    changes: list[Retry | Raise] = []
    if isinstance(answer, Plan):
        changes += [*answer.retries, *answer.raises]
    for change in changes:
        row = asked.get(change.job_id, WRITTEN)
        if change.memory:
            assert row is not None
            assert row.memory == change.memory[0]
            assert max(WRITTEN.memory or 0, change.memory[0]) <= change.memory[1] <= NODE.memory
        if change.runtime:
            assert 3600 == change.runtime[0] < change.runtime[1] <= (NODE.runtime or 0)
        if isinstance(change, Retry) and change.cpus:
            assert change.runtime
            assert 2 < change.cpus[1] <= NODE.num_cpus


@given(situations)
def test_each_failed_job_is_decided_once(seen: Situation) -> None:
    answer = answer_to(seen)
    job_ids = [each.job_id for each in every(answer)]
    assert sorted(job_ids) == sorted(each.job.id for each in seen.findings)


@given(situations, st.randoms(use_true_random=False))
def test_order_of_what_is_known_changes_nothing(seen: Situation, chance: random.Random) -> None:
    shuffled = replace(
        seen,
        findings=tuple(chance.sample(seen.findings, len(seen.findings))),
        attempts=tuple(chance.sample(_once(seen.attempts), len(_once(seen.attempts)))),
    )
    before = replace(seen, attempts=_once(seen.attempts))
    assert decided(answer_to(shuffled)) == decided(answer_to(before))


def _once(attempts: Sequence[SizedAttempt]) -> tuple[SizedAttempt, ...]:
    """The journal has each attempt once."""
    return tuple({(each.job_id, each.run_id, each.attempt): each for each in attempts}.values())


@given(situations)
def test_the_same_again_gives_the_same(seen: Situation) -> None:
    assert decided(answer_to(seen)) == decided(answer_to(seen))


@given(situations)
def test_no_job_waits_without_one_that_goes_first(seen: Situation) -> None:
    """Of its own kind. What a scout finds out, its failure too, frees all that waited."""
    decisions = decided(answer_to(seen)).values()
    scouts = {_kind(each) for each in decisions if isinstance(each, Retry) and each.is_scout}
    held = {_kind(each) for each in decisions if isinstance(each, Skip) and each.is_held}
    assert held <= scouts
    ended = {each.kind.template for each in seen.attempts if each.is_scout}
    assert not {f"{kind}_*" for kind in held} & ended


def _kind(decision: Retry | Skip) -> str:
    return decision.job_name.partition("_")[0]


@given(situations)
def test_kinds_do_not_mix(seen: Situation) -> None:
    """What is decided about one kind is the same without the other."""
    both = decided(answer_to(seen))
    for kind in KINDS:
        alone = replace(
            seen,
            findings=tuple(each for each in seen.findings if each.job.name.startswith(kind)),
            attempts=tuple(each for each in seen.attempts if each.kind.template.startswith(kind)),
        )
        if alone.findings and _once(seen.attempts):
            own = {key: each for key, each in both.items() if _kind(each) == kind}
            assert _requests(decided(answer_to(alone))) == _requests(own)


def _requests(decisions: dict[int, Retry | Skip]) -> dict[int, object]:
    return {
        job_id: (each.memory, each.runtime) if isinstance(each, Retry) else each.is_held
        for job_id, each in decisions.items()
    }


@given(situations)
def test_memory_is_raised_only_for_lack_of_memory(seen: Situation) -> None:
    causes = {each.job.id: each.cause for each in seen.findings}
    for job_id, each in decided(answer_to(seen)).items():
        if isinstance(each, Retry):
            assert causes[job_id] is Cause.OOM or each.memory is None
            assert causes[job_id] is Cause.TIMEOUT or each.runtime is None
