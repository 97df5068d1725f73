"""What the ended attempts of a workflow say of the sizes of its jobs, put together.

The journal keeps what is known of attempts of which the server may have no results any more, such
as those before a retry in the same run. What is known of an attempt grows: an older record has what
it requested then, a newer one how it ended.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt, measured_amount
from torc_watch.core.model import JobResult, Requirements
from torc_watch.core.recovery_round import Plan

AttemptKey = tuple[int, int, int]  # job, run, attempt

_MOST_OF_A_KIND = 10_000
_MOST_OF_A_WORKFLOW = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoutStart:
    """A round started a job as a scout in a run: ``attempt`` is None for the first one there."""

    job_id: int
    run_id: int
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptNews:
    """What the journal has to record, and what it has to delete so that it does not grow."""

    recorded: tuple[SizedAttempt, ...] = ()
    deleted: tuple[AttemptKey, ...] = ()


def key_of(attempt: SizedAttempt) -> AttemptKey:
    return attempt.job_id, attempt.run_id, attempt.attempt


def completed_attempt(result: JobResult, kind: KindKey, row: Requirements) -> SizedAttempt:
    """``row`` is what the job requests now: the server does not keep what it did request."""
    return SizedAttempt(
        kind=kind,
        job_id=result.job_id,
        run_id=result.run_id,
        attempt=result.attempt,
        end=AttemptEnd.COMPLETED,
        memory=row.memory,
        runtime=row.runtime,
        peak=result.peak_memory,
        ran=result.exec_seconds,
    )


def merged(
    known: Iterable[SizedAttempt], found: Sequence[SizedAttempt], starts: Collection[ScoutStart]
) -> tuple[SizedAttempt, ...]:
    """Each attempt once: the ``known`` ones of the journal, then those that are new."""
    by_key = {key_of(each): each for each in known}
    scouts = _scouts([*by_key.values(), *found], starts)
    for each in found:
        key = key_of(each)
        new = replace(each, is_scout=True) if key in scouts else each
        by_key[key] = with_news(by_key[key], new) if key in by_key else new
    return tuple(by_key.values())


def with_news(before: SizedAttempt, new: SizedAttempt) -> SizedAttempt:
    """An attempt of which there was a record ``before``.

    A job's row may have more since, by us or a user; a scout stays one.
    """
    if before == new:
        return before
    return replace(
        new,
        memory=new.memory if before.memory is None else before.memory,
        runtime=new.runtime if before.runtime is None else before.runtime,
        peak=new.peak if measured_amount(new.peak) else before.peak,
        ran=new.ran if measured_amount(new.ran) else before.ran,
        is_scout=before.is_scout or new.is_scout,
    )


def news_of(known: Iterable[SizedAttempt], attempts: Sequence[SizedAttempt]) -> AttemptNews:
    """Of all ``attempts`` for a journal with the ``known`` ones.

    Of too many the oldest are not kept; before them those of completed jobs, whose results the
    server has. Runs and attempts tell the age: no clock changes that.
    """
    before = {key_of(each): each for each in known}
    kept = {key_of(each): each for each in _kept(attempts)}
    return AttemptNews(
        recorded=tuple(each for key, each in kept.items() if before.get(key) != each),
        deleted=tuple(before.keys() - kept.keys()),
    )


def scout_starts(plan: Plan) -> frozenset[ScoutStart]:
    """Of a plan whose jobs were reset: in place they go on in the same run."""
    run_id = plan.run_id if plan.in_place else plan.run_id + 1
    return frozenset(
        ScoutStart(
            job_id=each.job_id,
            run_id=run_id,
            attempt=(each.attempt or 0) + 1 if plan.in_place else None,
        )
        for each in plan.retries
        if each.is_scout
    )


def _scouts(
    attempts: Iterable[SizedAttempt], starts: Collection[ScoutStart]
) -> frozenset[AttemptKey]:
    """Torc's own retries leave no result: the attempt after them is as large as they were."""
    if not starts:
        return frozenset()
    firsts: dict[tuple[int, int], int] = {}
    for each in attempts:
        place = each.job_id, each.run_id
        firsts[place] = min(firsts.get(place, each.attempt), each.attempt)
    found = (
        (each.job_id, each.run_id, firsts.get((each.job_id, each.run_id), 0))
        if each.attempt is None
        else (each.job_id, each.run_id, each.attempt)
        for each in starts
    )
    return frozenset(found)


def _kept(attempts: Sequence[SizedAttempt]) -> Sequence[SizedAttempt]:
    if len(attempts) <= _MOST_OF_A_KIND:
        return attempts
    groups: defaultdict[KindKey, list[SizedAttempt]] = defaultdict(list)
    for each in attempts:
        groups[each.kind].append(each)
    kept = [each for group in groups.values() for each in _newest(group, _MOST_OF_A_KIND)]
    return _newest(kept, _MOST_OF_A_WORKFLOW)


def _newest(attempts: list[SizedAttempt], most: int) -> list[SizedAttempt]:
    return attempts if len(attempts) <= most else sorted(attempts, key=_age)[:most]


def _age(attempt: SizedAttempt) -> tuple[object, ...]:
    has_result = attempt.end is AttemptEnd.COMPLETED
    newest_first = -attempt.run_id, -attempt.attempt, -attempt.job_id
    return not attempt.is_scout, has_result, *newest_first
