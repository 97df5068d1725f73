"""Which of the retries that were decided come now, and whether the round has to wait for others."""

from collections.abc import Sequence

from torc_watch.core.findings import Finding
from torc_watch.core.recovery_round import Postponement, Retry, Skip, Wait
from torc_watch.core.retry_delay import LONGEST_WAIT_FOR_ROOM, RetryDelay, held_up, retry_delays
from torc_watch.core.situation import Situation
from torc_watch.core.skipped_job import skipped

_Choice = Retry | Skip
_IN_VAIN = f"files could not be written for {LONGEST_WAIT_FOR_ROOM / 3600:.0f} hours"
_TOO_EARLY = "it is too early to run it again"


def in_time(
    decisions: Sequence[_Choice], situation: Situation, *, has_others: bool
) -> tuple[_Choice, ...] | Postponement:
    """The decisions, with retries turned down that would come too early.

    The whole round is postponed where nothing else is left, which ``has_others`` denies, or only
    for a moment. A round for which a user asks waits for nothing.
    """
    now, has_room = situation.now, situation.has_room
    if now is None:
        return tuple(decisions)
    findings = {finding.job.id: finding for finding in situation.findings}
    findings |= {suspect.job.id: suspect.as_failure() for suspect in situation.suspects}
    retried = [findings[each.job_id] for each in decisions if isinstance(each, Retry)]
    delays = retry_delays(retried, situation.past, now, asked=situation.asked)
    in_vain = [each for each in delays if each.is_in_vain(now, has_room=has_room)]
    decisions = _without(decisions, in_vain, findings, _IN_VAIN)
    pending = [each for each in delays if not each.is_over(now, has_room=has_room)]
    pending = [each for each in pending if each not in in_vain]
    left = _without(decisions, pending, findings, _TOO_EARLY)
    goes_on = has_others or any(isinstance(each, Retry) for each in left)
    not_before = held_up(pending, now, has_others=goes_on)
    if not_before is None:
        return left
    awaits_room = all(each.awaits_room for each in pending)
    return Postponement(
        not_before=not_before,
        until=max(each.until for each in pending) if awaits_room else not_before,
        awaits_room=awaits_room,
        waits=tuple(
            Wait(cause=each.cause, jobs=len(each.jobs), not_before=each.not_before)
            for each in pending
        ),
        retries=tuple(each for each in decisions if isinstance(each, Retry)),
        left_alone=tuple(each for each in decisions if isinstance(each, Skip)),
    )


def _without(
    decisions: Sequence[_Choice],
    delays: Sequence[RetryDelay],
    findings: dict[int, Finding],
    text: str,
) -> tuple[_Choice, ...]:
    jobs = frozenset[int]().union(*(each.jobs for each in delays))
    return tuple(
        skipped(findings[each.job_id], f"{each.reason}; {text}")
        if isinstance(each, Retry) and each.job_id in jobs
        else each
        for each in decisions
    )
