from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from torc_watch.core.kind_history import KindHistory, SizedResource, Trial
from torc_watch.core.sizing_policy import (
    Lack,
    ScoutRun,
    Sizing,
    SizingRule,
    WaitingJob,
    evidence_sizes,
    fixed_sizes,
    waiting_sizes,
)
from torc_watch.core.sizing_sentence import sizing_sentences, waiting_sentence
from torc_watch.core.units import GIB, MIB

CAP = 240 * GIB


@pytest.mark.parametrize(("round_", "gib"), [(1, 12), (2, 16), (3, 32), (4, 32)])
def test_memory_climbs_the_ladder_where_no_peer_used_more(round_: int, gib: int) -> None:
    (size,) = evidence_sizes(_history(failed(1)), [lack(1, round_=round_)])

    assert size == Sizing(job_id=1, request=gib * GIB, rule=SizingRule.LADDER, factor=gib / 8)


@pytest.mark.parametrize(("round_", "hours"), [(1, 2), (2, 3), (3, 4)])
def test_run_time_climbs_a_ladder_of_its_own_and_no_scout_goes(round_: int, hours: int) -> None:
    history = KindHistory(
        name="train_*",
        resource=SizedResource.RUNTIME,
        request=3600,
        trials=tuple(failed(job, limit=3600) for job in range(9)),
    )
    lacks = [lack(job, round_=round_, limit=3600, cap=86_400) for job in range(9)]

    sizes = evidence_sizes(history, lacks)

    assert {size.request for size in sizes} == {hours * 3600}


@pytest.mark.parametrize(
    ("round_", "used", "gib"),
    [
        pytest.param(1, 20, 24, id="what the peer used, and some room"),
        pytest.param(1, 9, 12, id="half more at least"),
        pytest.param(2, 9, 12, id="half more at least, again"),
        pytest.param(3, 9, 16, id="twice at least in the last round"),
        pytest.param(3, 20, 24, id="what the peer used in the last round"),
    ],
)
def test_peer_that_completed_with_more_says_what_is_needed(
    round_: int, used: int, gib: int
) -> None:
    history = _history(failed(1), done(2, used=used, limit=30))

    (size,) = evidence_sizes(history, [lack(1, round_=round_)])

    assert (size.rule, size.request) == (SizingRule.PEERS, gib * GIB)


def test_peer_that_used_as_much_as_was_too_little_says_nothing() -> None:
    (size,) = evidence_sizes(_history(failed(1), done(2, used=8)), [lack(1)])

    assert size.rule is SizingRule.LADDER


def test_step_starts_from_the_peak_where_that_is_above_the_limit() -> None:
    history = _history(failed(1), done(2, used=11, limit=30))

    (size,) = evidence_sizes(history, [replace(lack(1), seen=10 * GIB)])

    assert (size.rule, size.request) == (SizingRule.PEERS, 15 * GIB)


def test_sentence_names_what_the_jobs_had_and_not_what_they_were_seen_to_use() -> None:
    history = _history(*map(failed, range(5)))
    lacks = [replace(lack(job), seen=10 * GIB) for job in range(5)]

    (sentence,) = set(sizing_sentences(history, lacks, evidence_sizes(history, lacks)).values())

    assert sentence == (
        "train_*: 5 of 5 failed at 8g; train_2 goes first with 80g, the others wait for what it "
        "needs."
    )


def test_sentence_of_jobs_that_had_different_limits() -> None:
    history = _history(*map(failed, range(5)))
    lacks = [lack(job, limit=8 + job) for job in range(5)]

    sentences = sizing_sentences(history, lacks, evidence_sizes(history, lacks))

    assert sentences[0].startswith("train_*: 5 of 5 failed at up to 12g; train_2 goes first")


def test_scout_in_the_middle_does_not_depend_on_the_order_of_the_failures() -> None:
    history = _history(*map(failed, range(5, 10)))

    sizes = evidence_sizes(history, [lack(job) for job in (7, 9, 5, 6, 8)])

    assert [size.job_id for size in sizes if size.rule is SizingRule.SCOUT] == [7]


def test_scout_that_fails_twice_climbs_the_ladder() -> None:
    scout = failed(2, limit=64, is_scout=True)
    history = _history(*map(failed, range(5)), scout, failed(2, limit=128, is_scout=True))

    (size,) = evidence_sizes(history, [lack(2, round_=3, limit=128, cap=1024 * GIB)])

    assert (size.rule, size.request) == (SizingRule.LADDER, 512 * GIB)


def test_peer_that_used_less_than_the_limit_says_nothing_upward() -> None:
    history = _history(failed(1), *(done(job, used=7) for job in range(2, 9)))

    assert evidence_sizes(history, [lack(1)])[0].rule is SizingRule.LADDER


def test_scout_of_a_kind_that_fails_as_a_whole_goes_first_and_the_others_wait() -> None:
    history, lacks = _history(*map(failed, range(5, 10))), list(map(lack, range(5, 10)))

    sizes = evidence_sizes(history, lacks)

    assert [size.job_id for size in sizes if size.rule is SizingRule.SCOUT] == [7]
    assert [size.request for size in sizes] == [None, None, 64 * GIB, None, None]
    (sentence,) = set(sizing_sentences(history, lacks, sizes).values())
    assert sentence == (
        "train_*: 5 of 5 failed at 8g; train_7 goes first with 64g, "
        "the others wait for what it needs."
    )


@pytest.mark.parametrize(
    ("jobs", "completed", "cap"),
    [
        pytest.param(3, 0, CAP, id="three have failed"),
        pytest.param(8, 1, CAP, id="one of nine has completed"),
        pytest.param(5, 0, 12 * GIB, id="the next step is all that there is"),
    ],
)
def test_no_scout_goes(jobs: int, completed: int, cap: int) -> None:
    history = _history(
        *map(failed, range(jobs)), *(done(job, used=4) for job in range(90, 90 + completed))
    )

    sizes = evidence_sizes(history, [lack(job, cap=cap) for job in range(jobs)])

    assert {size.request for size in sizes} == {12 * GIB}


def test_others_get_what_the_scout_needed() -> None:
    history = _history(*map(failed, range(5)), done(2, used=30, limit=64, is_scout=True))

    sizes = evidence_sizes(history, [lack(job, round_=2) for job in (0, 1, 3, 4)])

    assert {size.request for size in sizes} == {36 * GIB}


@pytest.mark.parametrize(("round_", "gib"), [(2, 12), (3, 16)])
def test_little_more_is_enough_where_a_scout_used_little_more(round_: int, gib: int) -> None:
    history = _history(*map(failed, range(5)), done(2, used=10, limit=64, is_scout=True))

    (size,) = evidence_sizes(history, [lack(0, round_=round_)])

    assert (size.rule, size.request) == (SizingRule.PEERS, gib * GIB)


def test_scout_that_failed_shows_nothing_of_peers_that_need_little_more() -> None:
    scout = failed(2, limit=64, is_scout=True)
    history = _history(*map(failed, range(5)), scout, done(3, used=9, limit=12))

    (size,) = evidence_sizes(history, [lack(0, round_=2)])

    assert (size.rule, size.request) == (SizingRule.PEERS, 12 * GIB)


def test_scout_that_fails_frees_the_others_and_goes_again() -> None:
    scout = failed(2, limit=64, is_scout=True)
    history = _history(*map(failed, range(5)), scout)
    lacks = [lack(job, round_=2, limit=64 if job == 2 else 8, cap=1024 * GIB) for job in range(5)]

    sizes = {size.job_id: size for size in evidence_sizes(history, lacks)}

    assert (sizes[2].rule, sizes[2].request) == (SizingRule.SCOUT, 512 * GIB)
    assert {sizes[job].request for job in (0, 1, 3, 4)} == {16 * GIB}
    assert sizing_sentences(history, lacks, list(sizes.values()))[2] == (
        "train_*: train_2 went first with 64g, and failed; it goes again with 512g."
    )


def test_scout_that_fails_while_others_run_frees_those_that_wait() -> None:
    history = _history(*map(failed, range(5)), failed(2, limit=64, is_scout=True))

    sizes = evidence_sizes(history, [lack(job) for job in (0, 1, 3, 4)])

    assert {size.request for size in sizes} == {12 * GIB}


@pytest.mark.parametrize(("ran", "waits"), [(119.0, True), (121.0, False), (-3600.0, True)])
def test_scout_that_runs_for_long_frees_those_that_wait(*, ran: float, waits: bool) -> None:
    run = ScoutRun(job_id=2, job_name="train_2", ran=ran, killed_after=60)
    history, lacks = _history(*map(failed, range(5))), [lack(0), lack(1)]

    sizes = evidence_sizes(history, lacks, run)

    assert [size.rule is SizingRule.HELD for size in sizes] == [waits, waits]
    if waits:
        assert sizing_sentences(history, lacks, sizes, run)[0] == (
            "train_*: 5 of 5 failed at 8g; 2 wait for what train_2 needs."
        )


def test_job_that_failed_after_a_retry_does_not_wait_for_the_scout() -> None:
    run = ScoutRun(job_id=2, job_name="train_2", ran=1, killed_after=60)
    history = _history(*map(failed, range(5)), failed(0, limit=12))

    sizes = evidence_sizes(history, [lack(0, round_=2, limit=12), lack(1)], run)

    assert [size.rule for size in sizes] == [SizingRule.LADDER, SizingRule.HELD]


@pytest.mark.parametrize("sized", ["evidence", "fixed"])
def test_job_that_failed_with_all_there_is_is_not_retried(sized: str) -> None:
    history, lacks = _history(failed(1, limit=240)), [lack(1, limit=240)]

    sizes = (
        evidence_sizes(history, lacks) if sized == "evidence" else fixed_sizes(history, lacks, 1.5)
    )

    assert sizes == (Sizing(job_id=1, request=None, rule=SizingRule.AT_THE_CAP),)
    assert sizing_sentences(history, lacks, sizes)[1] == (
        "train_*: 240g is all there is, and not enough: no retry can help."
    )


def test_fixed_policy_multiplies_as_the_tutorial_does() -> None:
    sizes = fixed_sizes(_history(failed(1)), [lack(1)], 1.5)

    assert sizes == (Sizing(job_id=1, request=12 * GIB, rule=SizingRule.MULTIPLIER, factor=1.5),)
    assert sizing_sentences(_history(failed(1)), [lack(1)], sizes) == {}


def test_factor_that_is_no_binary_fraction_gives_the_exact_request() -> None:
    history = _history(failed(1, limit=100))

    (size,) = waiting_sizes(history, [WaitingJob(job_id=2, asked=100 * GIB)])

    assert size.request == 110 * GIB


def test_request_that_a_user_raised_by_hand_is_kept() -> None:
    (size,) = evidence_sizes(_history(failed(1)), [lack(1, asked=100)])

    assert size.request == 100 * GIB


def test_request_that_a_user_lowered_by_hand_counts_as_what_the_attempt_had() -> None:
    (size,) = evidence_sizes(_history(failed(1)), [lack(1, asked=2)])

    assert size.request == 12 * GIB


def test_peer_of_a_larger_partition_raises_to_no_more_than_the_own_one_gives() -> None:
    history = _history(failed(1), done(2, used=900, limit=1000))

    (size,) = evidence_sizes(history, [lack(1)])

    assert size.request == CAP


def test_waiting_jobs_are_raised_once_a_tenth_of_their_kind_failed() -> None:
    few = _history(failed(1), *(done(job, used=10, limit=16) for job in range(2, 12)))
    enough = _history(failed(1), *(done(job, used=10, limit=16) for job in range(2, 11)))
    jobs = [WaitingJob(job_id=50, asked=8 * GIB, cap=CAP)]

    assert waiting_sizes(few, jobs) == ()
    assert waiting_sizes(enough, jobs) != ()


def test_waiting_jobs_are_left_alone_where_nine_of_ten_peers_have_enough() -> None:
    history = _history(failed(1), *(done(job, used=4) for job in range(2, 11)))

    assert waiting_sizes(history, [WaitingJob(job_id=50, asked=8 * GIB, cap=CAP)]) == ()


def test_waiting_jobs_are_raised_to_what_nine_of_ten_peers_need() -> None:
    peers = [*(done(job, used=10, limit=16) for job in range(2, 10)), done(10, used=15, limit=16)]
    history = _history(failed(1), done(1, used=10, limit=12), *peers)
    jobs = [WaitingJob(job_id=job, asked=8 * GIB, cap=CAP) for job in (50, 51)]

    sizes = waiting_sizes(history, jobs)

    assert [size.request for size in sizes] == [10752 * MIB] * 2
    assert waiting_sentence(history, sizes) == (
        "train_*: 1 of 10 failed; 2 that wait get 10752m before they start."
    )


def test_waiting_jobs_get_a_tenth_more_where_their_peers_were_killed() -> None:
    history = _history(failed(1, limit=20), done(2, used=4))

    (size,) = waiting_sizes(history, [WaitingJob(job_id=50, asked=8 * GIB, cap=CAP)])

    assert size.request == 22 * GIB


def test_waiting_job_that_asks_for_enough_is_left_alone() -> None:
    history = _history(failed(1), *(done(job, used=10, limit=16) for job in range(2, 8)))

    assert waiting_sizes(history, [WaitingJob(job_id=50, asked=11 * GIB, cap=CAP)]) == ()


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        ([], "train_*: none is known to complete with more than 8g; train_1 gets 12g."),
        (
            [(20.5, 30)],
            "train_*: one that completed used 20.5g; train_1 gets 25191m.",
        ),
    ],
)
def test_sentence_names_the_evidence(trials: Sequence[tuple[float, int]], sentence: str) -> None:
    peers = (done(9, used=used, limit=limit) for used, limit in trials)
    history, lacks = _history(failed(1), *peers), [lack(1)]

    assert sizing_sentences(history, lacks, evidence_sizes(history, lacks)) == {1: sentence}


class _CountedTrials(tuple[Trial, ...]):  # noqa: SLOT001 - a count has to be kept
    """How often somebody has gone through them."""

    passes = 0

    def __iter__(self) -> Iterator[Trial]:
        self.passes += 1
        return super().__iter__()


def test_history_is_not_gone_through_once_for_each_job() -> None:
    """Of a hundred thousand that failed, that takes a quarter of an hour."""
    jobs = range(1000)
    trials = _CountedTrials([*(failed(job) for job in jobs), done(2000, used=20, limit=24)])
    history = replace(_history(), trials=trials)
    evidence_sizes(history, [lack(job) for job in jobs])
    assert trials.passes < 20


def failed(job: int, *, limit: int = 8, is_scout: bool = False) -> Trial:
    unit = 1 if limit > 1024 else GIB
    return Trial(job_id=job, limit=limit * unit, used=None, lacked=True, is_scout=is_scout)


def done(job: int, *, used: float, limit: int = 8, is_scout: bool = False) -> Trial:
    return Trial(
        job_id=job, limit=limit * GIB, used=int(used * GIB), lacked=False, is_scout=is_scout
    )


def lack(
    job: int, *, round_: int = 1, limit: int = 8, asked: int | None = None, cap: int = CAP
) -> Lack:
    unit = 1 if limit > 1024 else GIB
    return Lack(
        job_id=job,
        job_name=f"train_{job}",
        limit=limit * unit,
        asked=(limit if asked is None else asked) * unit,
        round=round_,
        cap=cap,
    )


def _history(*trials: Trial) -> KindHistory:
    return KindHistory(
        name="train_*", resource=SizedResource.MEMORY, request=8 * GIB, trials=trials
    )
