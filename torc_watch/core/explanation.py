"""Failures of a workflow in groups: those for the same reason are one, with what comes next."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue
from torc_watch.core.events import FailedJob
from torc_watch.core.fact import Confidence, Fact
from torc_watch.core.failure_kind import kind_of
from torc_watch.core.findings import Finding
from torc_watch.core.recovery_round import Plan, Postponement, Refusal, Retry, Skip
from torc_watch.core.suspect_success import Suspicion

Fate = Retry | Skip
OfJob = TypeVar("OfJob", Finding, Suspicion)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failures for one reason, by job ID; what is known of them is that of the first.

    ``fates`` has what the next round does with a job, by its ID; it is empty without a plan.
    ``tried`` counts the retries that jobs of it have had. With ``waits``, the jobs that run again
    do so later.
    """

    findings: tuple[Finding, ...]
    fates: dict[int, Fate]
    tried: int
    waits: Postponement | None = None

    @property
    def cause(self) -> Cause:
        return self.findings[0].cause

    @property
    def reason(self) -> str:
        return self.findings[0].reason

    @property
    def confidence(self) -> Confidence:
        return self.findings[0].confidence

    @property
    def clue(self) -> Clue | None:
        return self.findings[0].clue

    @property
    def facts(self) -> tuple[Fact, ...]:
        return self.findings[0].facts

    @property
    def contradictions(self) -> tuple[Clue, ...]:
        return self.findings[0].contradictions


def last_written(group: FailureGroup, written: Mapping[int, FailedJob]) -> FailedJob | None:
    """Of the jobs by ID, the first one of the group with a last error line.

    None where the group has a clue: that is the line that counts.
    """
    if group.clue:
        return None
    found = (written.get(finding.job.id) for finding in group.findings)
    return next((each for each in found if each is not None and each.last_words), None)


def those_of(job: str, known: Sequence[OfJob]) -> tuple[OfJob, ...]:
    """Of the job with this ID, else of those with this name: that of one may be another's ID."""
    by_id = tuple(each for each in known if str(each.job.id) == job)
    return by_id or tuple(each for each in known if each.job.name == job)


def group_failures(
    findings: Iterable[Finding],
    answer: Plan | Postponement | Refusal | None,
    past: Sequence[Retry] = (),
) -> tuple[FailureGroup, ...]:
    """The largest group first. ``answer`` is the plan or refusal of the next round, if any."""
    groups: dict[tuple[Cause, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda each: each.job.id):
        groups.setdefault(kind_of(finding), []).append(finding)
    fates, tried = _fates(answer), Counter(retry.job_id for retry in past)
    return tuple(
        FailureGroup(
            findings=tuple(group),
            fates={each.job.id: fates[each.job.id] for each in group if each.job.id in fates},
            tried=sum(tried[each.job.id] for each in group),
            waits=answer if isinstance(answer, Postponement) else None,
        )
        for group in sorted(groups.values(), key=len, reverse=True)
    )


def _fates(answer: Plan | Postponement | Refusal | None) -> dict[int, Fate]:
    decided: tuple[Fate, ...] = ()
    if isinstance(answer, Plan | Postponement):
        decided = (*answer.retries, *answer.left_alone)
    elif answer is not None:
        decided = answer.left_alone
    return {each.job_id: each for each in decided}
