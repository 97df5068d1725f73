"""How much jobs request after they lacked memory or run time: by what is known of their kind.

All jobs of a kind that failed are sized in one call, so that one of them can go first.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from torc_watch.core.cause import Remedy
from torc_watch.core.findings import Finding
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_evidence import KindEvidence, WorkflowEvidence
from torc_watch.core.kind_history import SizedAttempt, SizedResource, measured_amount
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings, Retry, Skip
from torc_watch.core.request_cap import RequestCap, request_cap
from torc_watch.core.resource_requests import on_grid
from torc_watch.core.retry_decision import retried
from torc_watch.core.scheduler_rows import SchedulerRows
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import (
    Lack,
    ScoutRun,
    Sizing,
    SizingPolicy,
    SizingRule,
    evidence_sizes,
)
from torc_watch.core.sizing_sentence import sizing_sentences
from torc_watch.core.skipped_job import restarts_anyway, skipped
from torc_watch.core.wanted_memory import wanted_memory

_RESOURCES = {
    Remedy.RAISE_MEMORY: SizedResource.MEMORY,
    Remedy.RAISE_RUNTIME: SizedResource.RUNTIME,
}
_NOT_ENDED = 2.0  # times its limit: a job that ran for longer was not ended by it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    """A job that lacked a resource."""

    finding: Finding
    lack: Lack
    cap: RequestCap

    def at_once(self) -> Self:
        """The same of a job that waits for no other."""
        return replace(self, lack=replace(self.lack, may_wait=False))


_Group = tuple[KindKey, SizedResource]


def sized_retries(
    situation: Situation, rows: SchedulerRows, settings: RecoverySettings
) -> dict[int, Retry | Skip]:
    """By the job's ID, of all jobs for which the policy of the settings finds a request.

    None has one that no node can run, or whose requirements are not known.
    """
    if settings.sizing is not SizingPolicy.EVIDENCE:
        return {}
    evidence = WorkflowEvidence.of(situation)
    groups: defaultdict[_Group, list[Finding]] = defaultdict(list)
    for finding in _sized(situation.findings, settings):
        resource = _RESOURCES[finding.remedy]
        groups[evidence.failed[finding.job.id].kind, resource].append(finding)
    may_wait = _may_wait(situation, settings)
    answers: dict[int, Retry | Skip] = {}
    for (key, resource), findings in groups.items():
        kind = evidence.kinds[key]
        found = _short(kind, resource, findings, evidence.failed, rows)
        short = [each if may_wait else each.at_once() for each in found]
        run = situation.scout_runs.get(key) if resource is SizedResource.MEMORY else None
        answers |= _answers(kind, resource, short, run)
    return answers


def _sized(findings: Iterable[Finding], settings: RecoverySettings) -> Iterator[Finding]:
    """Those that lacked a resource, of the jobs that the user has chosen, if any."""
    choice = settings.choice
    for finding in findings:
        is_chosen = choice is None or choice.has(finding.job.id, finding.job.name)
        if finding.remedy in _RESOURCES and is_chosen:
            yield finding


def _may_wait(situation: Situation, settings: RecoverySettings) -> bool:
    """Jobs that a user chose run at once, and another round has to follow for those that wait.

    Nor does one go first where nothing is known of the jobs that completed.
    """
    rounds = settings.max_retries
    is_last = rounds is None or situation.past.used + 1 >= rounds
    knows_peers = situation.attempts or not situation.counts.of(JobStatus.COMPLETED)
    return settings.choice is None and not is_last and bool(knows_peers)


def _short(
    kind: KindEvidence,
    resource: SizedResource,
    findings: Iterable[Finding],
    failed: Mapping[int, SizedAttempt],
    rows: SchedulerRows,
) -> Iterator[_Short]:
    lacked = kind.lacked(resource)
    scouts = kind.scouts if resource is SizedResource.MEMORY else frozenset[int]()
    for finding in findings:
        job = finding.job
        limit, asked = _amounts(resource, failed[job.id], finding)
        if limit is None or asked is None:
            continue
        seen = _seen(resource, failed[job.id], finding, limit)
        cap = request_cap(resource, job, finding.requirements, rows, above=max(limit, seen))
        if cap is None:
            continue
        was_held = bool(scouts) and job.id not in scouts
        lack = Lack(
            job_id=job.id,
            job_name=job.name,
            limit=limit,
            asked=asked,
            round=max(1, lacked[job.id]) + was_held,
            seen=_rounded(seen, limit, cap.amount),
            cap=cap.amount,
            may_wait=not restarts_anyway(job),
        )
        yield _Short(finding=finding, lack=lack, cap=cap)


def _amounts(
    resource: SizedResource, attempt: SizedAttempt, finding: Finding
) -> tuple[int | None, int | None]:
    """What the attempt had, and what the job requests now."""
    asked = finding.requirements
    if asked is None:
        return None, None
    if resource is SizedResource.MEMORY:
        return attempt.memory, asked.memory
    return attempt.runtime, asked.runtime


def _seen(resource: SizedResource, attempt: SizedAttempt, finding: Finding, limit: int) -> int:
    """The most that the job was seen to need; 0 if nothing is known."""
    if resource is SizedResource.RUNTIME:
        ran = measured_amount(attempt.ran) or 0
        return ran if ran >= limit * _NOT_ENDED else 0
    wanted = wanted_memory(finding.clue.line) if finding.clue else None
    return max(measured_amount(attempt.peak) or 0, wanted or 0)


def _rounded(seen: int, limit: int, cap: int | None) -> int | None:
    """So that jobs that are alike request alike; what is below the cap stays below."""
    if seen <= limit:
        return None
    rounded = on_grid(seen)
    return rounded if cap is None or rounded < cap else seen


def _answers(
    kind: KindEvidence, resource: SizedResource, short: Sequence[_Short], run: ScoutRun | None
) -> dict[int, Retry | Skip]:
    if not short:
        return {}
    lacks = [each.lack for each in short]
    history = kind.history(resource, kind.name(lacks[0].job_name))
    sizes = evidence_sizes(history, lacks, run)
    sentences = sizing_sentences(history, lacks, sizes, run)
    scout = _scout_name(lacks, sizes, run)
    return {
        size.job_id: _answer(each, size, sentences.get(size.job_id), scout)
        for each, size in zip(short, sizes, strict=True)
    }


def _scout_name(lacks: Sequence[Lack], sizes: Sequence[Sizing], run: ScoutRun | None) -> str:
    goes = (
        lack.job_name
        for lack, size in zip(lacks, sizes, strict=True)
        if size.rule is SizingRule.SCOUT
    )
    return next(goes, run.job_name if run else "")


def _answer(short: _Short, sizing: Sizing, sentence: str | None, scout: str) -> Retry | Skip:
    finding, lack = short.finding, short.lack
    if sizing.rule is SizingRule.HELD:
        return replace(skipped(finding, f"{scout} goes first"), is_held=True)
    if sizing.request is None:
        return skipped(finding, f"{short.cap.reason}: no retry can help")
    change = None if sizing.request == lack.asked else (lack.asked, sizing.request)
    is_memory = finding.remedy is Remedy.RAISE_MEMORY
    return replace(
        retried(
            finding,
            memory=change if is_memory else None,
            runtime=None if is_memory else change,
        ),
        sizing=None if _says_nothing(lack, sizing) else sentence,
        is_scout=sizing.rule is SizingRule.SCOUT,
    )


def _says_nothing(lack: Lack, sizing: Sizing) -> bool:
    """Of a first step on the ladder, before and after are all that there is to say."""
    return sizing.rule is SizingRule.LADDER and lack.round == 1
