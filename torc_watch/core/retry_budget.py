"""Whether a job may run again for a cause that more memory or time does not mend.

Failures that are alike may be one error of the program, a storm: one job goes first, and the others
follow when it has succeeded.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from torc_watch.core.cause import REMEDIES, Cause, Remedy
from torc_watch.core.findings import Finding
from torc_watch.core.in_place_gate import retried_in_vain
from torc_watch.core.recovery_round import PastRounds, RecoverySettings

_STORM = 3  # failures that are alike
_MOST = {
    Remedy.RETRY_LATER: 3,
    Remedy.AWAIT_ROOM: 3,
    Remedy.RETRY_TWICE: 2,
    Remedy.RETRY_ONCE: 1,
    Remedy.HAND_OVER: 0,
    Remedy.LEAVE_ALONE: 0,
}  # retries of a job
_OWN_BUDGETS = (Remedy.RETRY_LATER, Remedy.AWAIT_ROOM, Remedy.RETRY_TWICE)
_IN_STORMS = (Remedy.RETRY_ONCE, Remedy.HAND_OVER)
_OWN_ERRORS = (Cause.CODE, Cause.ENVIRONMENT, Cause.INPUT)
_TIMES = {1: "once", 2: "twice"}


class RetryBudget:
    """What the user allows, less what past rounds have used up.

    A failure from before the watch is no reason to hand over at once: the user knows of it and has
    asked for the watch all the same, so its job runs again once.
    """

    def __init__(self, past: PastRounds, settings: RecoverySettings) -> None:
        self._settings = settings
        self._began = past.began
        self._used = Counter((retry.job_id, _kind(retry.cause)) for retry in past.retried)
        self._in_place = Counter(past.in_place)

    def objection(self, finding: Finding) -> str | None:
        """Why the job may not run again, for users; None where it may."""
        if self.is_vain(finding):
            return f"{finding.reason}; {retried_in_vain(self._in_place[finding.job.id])}"
        most = _MOST.get(finding.remedy)
        if most is None or self._settings.after_repair:
            return None
        if not self._settings.retry_unknown:
            return f"{finding.reason}; only lack of memory and time is mended"
        used = self._used[finding.job.id, _kind(finding.cause)]
        if used >= max(most, precedes(finding, self._began)):
            return f"{finding.reason}; {_used_up(used)}"
        return None

    def is_vain(self, finding: Finding) -> bool:
        """Whether the job was retried in place as often as rounds are allowed."""
        retries, most = self._in_place[finding.job.id], self._settings.max_retries
        return most is not None and 0 < most <= retries and not self._settings.after_repair

    def bounds(self, finding: Finding) -> bool:
        """Whether so few retries of the job are left that no round need be counted for them.

        Of the cause, too, retries have to be counted: a rule of a user may only move the remedy.
        """
        if self._settings.after_repair or _MOST.get(REMEDIES[finding.cause]) is None:
            return False
        used, most = self._used[finding.job.id, _kind(finding.cause)], self._settings.max_retries
        return finding.remedy in _OWN_BUDGETS and (most is None or used < most)


def storm_objections(
    candidates: Iterable[Finding],
    findings: Iterable[Finding],
    past: PastRounds,
    settings: RecoverySettings,
) -> dict[int, str]:
    """Which of the ``candidates`` for a retry have to wait, and why, by job ID.

    ``findings`` are all that failed: one that was tried before and failed in the same way speaks
    for all.
    """
    if settings.after_repair:
        return {}
    tried: dict[str, set[int]] = defaultdict(set)
    for retry in past.retried:
        tried[retry.fingerprint or ""].add(retry.job_id)
    failing = {
        finding.fingerprint: finding.job.id
        for finding in findings
        if finding.fingerprint and finding.job.id in tried[finding.fingerprint]
    }
    alike: dict[str, list[Finding]] = defaultdict(list)
    for finding in candidates:
        if finding.fingerprint and finding.remedy in _IN_STORMS:
            alike[finding.fingerprint].append(finding)
    objections: dict[int, str] = {}
    for fingerprint, group in alike.items():
        for finding, text in _in_storm(group, failing.get(fingerprint), bool(tried[fingerprint])):
            objections[finding.job.id] = f"{finding.reason}; {text}"
    return objections


def _in_storm(
    group: Sequence[Finding], failing: int | None, was_tried: bool
) -> Iterator[tuple[Finding, str]]:
    if failing is not None:
        for finding in group:
            yield finding, f"job {failing} was run again and failed in the same way"
    elif len(group) >= _STORM and not was_tried:
        first = min(finding.job.id for finding in group)
        for finding in group:
            if finding.job.id != first:
                yield finding, f"job {first}, which failed in the same way, goes first"


def most_retries(remedy: Remedy) -> int | None:
    """How often a job may run again for it; None where only the rounds are counted."""
    return _MOST.get(remedy)


def _kind(cause: Cause) -> Cause:
    """Errors of the program share a budget: one may show only after another was mended."""
    return Cause.CODE if cause in _OWN_ERRORS else cause


def precedes(finding: Finding, began: datetime | None) -> bool:
    """Whether it is older than the watch, or there is no watch."""
    return began is None or finding.ended is None or finding.ended < began


def _used_up(used: int) -> str:
    if not used:
        return "running it again does not help"
    return f"it was run again {_TIMES.get(used, f'{used} times')}, in vain"
