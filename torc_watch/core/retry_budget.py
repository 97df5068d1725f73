"""Whether a job may run again for a cause that more memory or time does not mend.

Failures that are alike may be one error of the program, a storm: one job goes first, and the others
follow when it has succeeded.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from torc_watch.core.cause import Remedy
from torc_watch.core.diagnosis import Finding
from torc_watch.core.recovery_round import PastRounds, RecoverySettings, Retry

_STORM = 3  # failures that are alike
_MOST = {Remedy.RETRY_TWICE: 2, Remedy.RETRY_ONCE: 1, Remedy.HAND_OVER: 0}  # retries of a job
_TIMES = {1: "once", 2: "twice"}


class RetryBudget:
    """What the user allows, less what past rounds have used up.

    A failure from before the watch is no reason to hand over at once: the user knows of it and has
    asked for the watch all the same, so its job runs again once.
    """

    def __init__(
        self, findings: Sequence[Finding], past: PastRounds, settings: RecoverySettings
    ) -> None:
        self._settings = settings
        self._past = past
        self._alike: dict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            if finding.fingerprint:
                self._alike[finding.fingerprint].append(finding)

    def objection(self, finding: Finding) -> str | None:
        """Why the job may not run again now, for users; None where it may."""
        most = _MOST.get(finding.remedy)
        if most is None or self._settings.after_repair:
            return None
        if not self._settings.retry_unknown:
            return f"{finding.reason}; only lack of memory and time is mended"
        used = _retries_of(finding, self._past.retried)
        if used >= max(most, _precedes(finding, self._past.began)):
            return f"{finding.reason}; {_used_up(used)}"
        return self._storm(finding) if finding.remedy is not Remedy.RETRY_TWICE else None

    def _storm(self, finding: Finding) -> str | None:
        alike = self._alike.get(finding.fingerprint or "", [])
        tried = {
            retry.job_id
            for retry in self._past.retried
            if finding.fingerprint and retry.fingerprint == finding.fingerprint
        }
        again = next((each.job.id for each in alike if each.job.id in tried), None)
        if again is not None:
            return f"{finding.reason}; job {again} was run again and failed in the same way"
        first = min((each.job.id for each in alike), default=finding.job.id)
        if tried or len(alike) < _STORM or finding.job.id == first:
            return None
        return f"{finding.reason}; job {first}, which failed in the same way, goes first"


def _retries_of(finding: Finding, retried: Iterable[Retry]) -> int:
    return sum(each.job_id == finding.job.id and each.cause is finding.cause for each in retried)


def _precedes(finding: Finding, began: datetime | None) -> bool:
    """Whether it is older than the watch, or there is no watch."""
    return began is None or finding.ended is None or finding.ended < began


def _used_up(used: int) -> str:
    if not used:
        return "running it again does not help"
    return f"it was run again {_TIMES.get(used, f'{used} times')}, in vain"
