"""When a job may run again whose failure passes, if at all, by itself.

Retries for one cause wait together, from the last failure on: until then it had not passed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.findings import Finding
from torc_watch.core.recovery_round import PastRounds
from torc_watch.core.retry_budget import precedes

# Seconds before the first retry, the second one, and all others.
_DELAYS = (120.0, 480.0, 1800.0)
_DELAYS_OF = {Cause.LICENSE: (600.0, 1800.0, 3600.0)}  # others need theirs for hours
# For this long a file system may stay full, or a quota used up, before a user has to act.
LONGEST_WAIT_FOR_ROOM = 24 * 3600.0
# A round with retries that need not wait waits this long for those that do: then it has them all.
_HOLD_UP = timedelta(seconds=120)
_WAITING = (Remedy.RETRY_LATER, Remedy.AWAIT_ROOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDelay:
    """The retries of ``jobs``, for one cause, wait until ``not_before``.

    If they await room, they wait for that too, until ``until`` at the latest.
    """

    cause: Cause
    jobs: frozenset[int]
    not_before: datetime
    until: datetime
    awaits_room: bool

    def is_over(self, now: datetime, *, has_room: bool) -> bool:
        return now >= self.not_before and (has_room or not self.awaits_room)

    def is_in_vain(self, now: datetime, *, has_room: bool) -> bool:
        return self.awaits_room and now >= self.until and not has_room


def delay_before(cause: Cause, used: int) -> float:
    """Seconds between a failure and the retry after ``used`` others."""
    delays = _DELAYS_OF.get(cause, _DELAYS)
    return delays[min(used, len(delays) - 1)]


def retry_delays(
    findings: Iterable[Finding],
    past: PastRounds,
    now: datetime,
    *,
    asked: datetime | None = None,
) -> tuple[RetryDelay, ...]:
    """Those of failures since the watch began, over or not: the user knew of earlier ones.

    So they did of failures before they ``asked`` for the watch to go on.

    ``findings`` are of jobs that may run again. The clocks of nodes may be fast: none is waited for
    longer than from ``now`` on.
    """
    groups: dict[Cause, list[tuple[int, datetime, bool]]] = defaultdict(list)
    for finding in findings:
        if not _waits(finding) or precedes(finding, past.began):
            continue
        if finding.ended and (asked is None or finding.ended > asked):
            needs_room = finding.remedy is Remedy.AWAIT_ROOM
            groups[finding.cause].append((finding.job.id, finding.ended, needs_room))
    used = Counter((retry.job_id, retry.cause) for retry in past.retried)
    return tuple(_delay(cause, group, used, now) for cause, group in groups.items())


def _delay(
    cause: Cause,
    group: Sequence[tuple[int, datetime, bool]],
    used: Counter[tuple[int, Cause]],
    now: datetime,
) -> RetryDelay:
    last = min(now, max(ended for _, ended, _ in group))
    most = max(used[job_id, cause] for job_id, _, _ in group)
    awaits_room = any(needs_room for _, _, needs_room in group)
    not_before = last + timedelta(seconds=delay_before(cause, most))
    longest = timedelta(seconds=LONGEST_WAIT_FOR_ROOM)
    return RetryDelay(
        cause=cause,
        jobs=frozenset(job_id for job_id, _, _ in group),
        not_before=not_before,
        until=last + longest if awaits_room else not_before,
        awaits_room=awaits_room,
    )


def held_up(pending: Sequence[RetryDelay], now: datetime, *, has_others: bool) -> datetime | None:
    """Until when a round waits for its ``pending`` retries; None where it goes without them.

    ``has_others`` says that it has something to do that need not wait.
    """
    if not pending:
        return None
    if not has_others:
        first = min((each.not_before for each in pending if now < each.not_before), default=now)
        later = [each for each in pending if first < each.not_before]
        return held_up(later, first, has_others=True) or first
    last = max(each.not_before for each in pending)
    is_soon = last - now <= _HOLD_UP and not any(each.awaits_room for each in pending)
    return last if is_soon else None


def _waits(finding: Finding) -> bool:
    is_slurms = finding.cause is Cause.SCHEDULER and finding.remedy is Remedy.RETRY
    return is_slurms or finding.remedy in _WAITING
