"""What holds for every size that a policy gives, whatever the history."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.kind_history import KindHistory, SizedResource, Trial
from torc_watch.core.sizing_policy import (
    Lack,
    ScoutRun,
    SizingRule,
    WaitingJob,
    evidence_sizes,
    fixed_sizes,
    waiting_sizes,
)
from torc_watch.core.sizing_sentence import sizing_sentences

AMOUNTS = st.integers(1, 2**45)
IDS = st.integers(0, 12)

trials = st.builds(
    Trial,
    job_id=IDS,
    limit=AMOUNTS,
    used=st.none() | AMOUNTS,
    lacked=st.booleans(),
    is_scout=st.integers(0, 9).map(lambda number: number == 0),
)
histories = st.builds(
    KindHistory,
    name=st.just("work_*"),
    resource=st.sampled_from(SizedResource),
    request=AMOUNTS,
    trials=st.lists(trials, max_size=20).map(tuple),
)
measured_histories = st.builds(
    KindHistory,
    name=st.just("work_*"),
    resource=st.sampled_from(SizedResource),
    request=AMOUNTS,
    trials=st.lists(trials.filter(lambda trial: trial.used is not None), min_size=1).map(tuple),
)
lacks = st.lists(
    st.builds(
        Lack,
        job_id=IDS,
        job_name=st.just("work"),
        limit=AMOUNTS,
        asked=AMOUNTS,
        round=st.integers(1, 5),
        seen=st.none() | AMOUNTS,
        cap=st.none() | AMOUNTS,
    ),
    max_size=8,
    unique_by=lambda lack: lack.job_id,
)
scout_runs = st.none() | st.builds(
    ScoutRun,
    job_id=IDS,
    job_name=st.just("scout"),
    ran=st.floats(-1e9, 1e9),
    killed_after=st.floats(0, 1e9),
)
waiting_jobs = st.builds(WaitingJob, job_id=IDS, asked=AMOUNTS, cap=st.none() | AMOUNTS)


@given(histories, lacks, scout_runs)
def test_request_is_never_below_the_users_nor_above_the_cap(
    history: KindHistory, failed: list[Lack], scout: ScoutRun | None
) -> None:
    sizes = [*evidence_sizes(history, failed, scout), *fixed_sizes(history, failed, 1.5)]

    for lack, size in zip([*failed, *failed], sizes, strict=True):
        if size.request is not None:
            least = max(history.request, lack.asked)
            assert size.request >= least
            assert lack.cap is None or size.request <= max(lack.cap, least)


@given(histories, lacks, scout_runs)
def test_retry_has_more_than_was_too_little(
    history: KindHistory, failed: list[Lack], scout: ScoutRun | None
) -> None:
    for lack, size in zip(failed, evidence_sizes(history, failed, scout), strict=True):
        if size.request is not None:
            assert size.request > lack.level


@given(histories, lacks, scout_runs, waiting_jobs, st.randoms())
def test_order_of_the_history_does_not_matter(
    history: KindHistory,
    failed: list[Lack],
    scout: ScoutRun | None,
    waiting: WaitingJob,
    chance: random.Random,
) -> None:
    shuffled = _shuffled(history, chance)

    assert evidence_sizes(shuffled, failed, scout) == evidence_sizes(history, failed, scout)
    assert waiting_sizes(shuffled, [waiting]) == waiting_sizes(history, [waiting])


@given(histories, lacks, scout_runs)
def test_order_of_the_failures_does_not_matter(
    history: KindHistory, failed: list[Lack], scout: ScoutRun | None
) -> None:
    backward = evidence_sizes(history, failed[::-1], scout)

    assert backward[::-1] == evidence_sizes(history, failed, scout)


@given(histories, lacks, AMOUNTS)
def test_larger_use_of_peers_never_makes_a_request_smaller(
    history: KindHistory, failed: list[Lack], more: int
) -> None:
    peer = Trial(job_id=100, limit=2**46, used=history.largest_use + 1, lacked=False)
    larger = replace(peer, used=history.largest_use + more)
    before = evidence_sizes(_with(history, peer), failed)
    after = evidence_sizes(_with(history, larger), failed)

    for first, second in zip(before, after, strict=True):
        if first.rule is SizingRule.PEERS and first.request is not None:
            assert second.request is not None
            assert second.request >= first.request


@given(measured_histories, st.data(), AMOUNTS, waiting_jobs)
def test_larger_need_of_a_peer_never_makes_a_waiting_job_request_less(
    history: KindHistory, data: st.DataObject, more: int, waiting: WaitingJob
) -> None:
    place = data.draw(st.integers(0, len(history.trials) - 1))
    trials = list(history.trials)
    trials[place] = replace(trials[place], used=(trials[place].used or 0) + more)

    before = waiting_sizes(history, [waiting])
    after = waiting_sizes(replace(history, trials=tuple(trials)), [waiting])

    for first in before:
        assert after
        assert (after[0].request or 0) >= (first.request or 0)


@given(histories, waiting_jobs)
def test_waiting_job_is_only_ever_raised(history: KindHistory, waiting: WaitingJob) -> None:
    for size in waiting_sizes(history, [waiting]):
        assert size.request is not None
        assert size.request > waiting.asked
        assert waiting.cap is None or size.request <= max(waiting.cap, history.request)


@given(histories, lacks)
def test_no_job_waits_once_a_scout_has_failed(history: KindHistory, failed: list[Lack]) -> None:
    scout = Trial(job_id=99, limit=2**46, used=None, lacked=True, is_scout=True)

    sizes = evidence_sizes(_with(history, scout), failed)

    assert SizingRule.HELD not in {size.rule for size in sizes}


@given(histories, lacks)
def test_jobs_wait_only_for_a_scout(history: KindHistory, failed: list[Lack]) -> None:
    rules = [size.rule for size in evidence_sizes(history, failed)]

    assert SizingRule.HELD not in rules or SizingRule.SCOUT in rules


@given(histories, lacks, scout_runs)
def test_each_decision_has_one_sentence(
    history: KindHistory, failed: list[Lack], scout: ScoutRun | None
) -> None:
    sizes = evidence_sizes(history, failed, scout)

    sentences = sizing_sentences(history, failed, sizes, scout)

    assert set(sentences) == {lack.job_id for lack in failed}
    assert all(text.endswith(".") and "\n" not in text for text in sentences.values())


def _with(history: KindHistory, *more: Trial) -> KindHistory:
    return replace(history, trials=(*history.trials, *more))


def _shuffled(history: KindHistory, chance: random.Random) -> KindHistory:
    mixed = list(history.trials)
    chance.shuffle(mixed)
    return replace(history, trials=tuple(mixed))
