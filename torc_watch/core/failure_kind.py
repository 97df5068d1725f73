"""Failures for the same reason."""

from collections.abc import Iterable
from dataclasses import dataclass

from torc_watch.core.cause import Cause
from torc_watch.core.fact import Confidence
from torc_watch.core.findings import Finding

# Of which the reason has measurements that differ from job to job.
_MEASURED = frozenset({Cause.OOM, Cause.TIMEOUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureKind:
    """So many jobs failed alike; ``reason`` is what was observed of the first."""

    cause: Cause
    jobs: int
    reason: str
    confidence: Confidence


def kind_of(finding: Finding) -> tuple[Cause, str]:
    """The same for failures for one reason."""
    if finding.fingerprint is None and finding.cause in _MEASURED:
        return finding.cause, ""
    return finding.cause, finding.fingerprint or finding.reason


def kinds_of_failures(findings: Iterable[Finding]) -> tuple[FailureKind, ...]:
    """The most frequent one first."""
    groups: dict[tuple[Cause, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda each: each.job.id):
        groups.setdefault(kind_of(finding), []).append(finding)
    return tuple(
        FailureKind(
            cause=alike[0].cause,
            jobs=len(alike),
            reason=alike[0].reason,
            confidence=alike[0].confidence,
        )
        for alike in sorted(groups.values(), key=len, reverse=True)
    )
