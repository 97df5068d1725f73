"""Which jobs request more before they start, because others of their kind lacked it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from torc_watch.core.job_kind import KindKey, kind_key
from torc_watch.core.kind_evidence import KindEvidence, WorkflowEvidence
from torc_watch.core.kind_history import KindHistory, SizedResource
from torc_watch.core.model import Job, JobStatus, Requirements
from torc_watch.core.recovery_round import Raise, RecoverySettings
from torc_watch.core.request_cap import request_cap
from torc_watch.core.scheduler_rows import SchedulerRows
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import Sizing, SizingPolicy, WaitingJob, waiting_sizes
from torc_watch.core.sizing_sentence import waiting_sentence

_WAITING = (JobStatus.UNINITIALIZED, JobStatus.BLOCKED, JobStatus.READY)
UNSTARTED = (*_WAITING, JobStatus.CANCELED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    job: Job
    asked: Requirements


def waiting_raises(
    situation: Situation,
    rows: SchedulerRows,
    settings: RecoverySettings,
    restarted: Collection[int] = (),
) -> tuple[Raise, ...]:
    """By the policy of the settings; none in a round for jobs that the user has chosen.

    Of canceled jobs only those ``restarted``, by ID: they wait for one that runs again. No row can
    be made for a job whose requirements cannot be read.
    """
    if settings.sizing is not SizingPolicy.EVIDENCE or settings.choice is not None:
        return ()
    groups: defaultdict[KindKey, list[_Waiting]] = defaultdict(list)
    for job in situation.waiting:
        asked = situation.requirements.get(job.requirements_id or 0)
        starts = job.status in _WAITING or job.id in restarted
        if starts and asked and asked.memory is not None and asked.runtime is not None:
            key = kind_key(situation.workflow.id, job, asked)
            groups[key].append(_Waiting(job=job, asked=asked))
    if not groups:
        return ()
    kinds = WorkflowEvidence.of(situation).kinds
    return tuple(
        each
        for key, waiting in groups.items()
        if key in kinds
        for each in _raises(kinds[key], waiting, rows)
    )


def _raises(kind: KindEvidence, waiting: Sequence[_Waiting], rows: SchedulerRows) -> list[Raise]:
    sizes, sentences = {}, {}
    for resource in SizedResource:
        history = kind.history(resource, kind.key.template)
        found = waiting_sizes(history, _sizable(history, waiting, rows))
        sizes[resource] = {each.job_id: each for each in found}
        sentences[resource] = waiting_sentence(history, found)
    raises = []
    for each in waiting:
        own = [resource for resource in SizedResource if each.job.id in sizes[resource]]
        if own:
            raises.append(
                Raise(
                    job_id=each.job.id,
                    job_name=each.job.name,
                    memory=_change(sizes[SizedResource.MEMORY], each.job, each.asked.memory),
                    runtime=_change(sizes[SizedResource.RUNTIME], each.job, each.asked.runtime),
                    sizing=" ".join(sentences[resource] for resource in own),
                )
            )
    return raises


def _sizable(
    history: KindHistory, waiting: Sequence[_Waiting], rows: SchedulerRows
) -> list[WaitingJob]:
    if not history.lacking:
        return []
    is_memory = history.resource is SizedResource.MEMORY
    most = max(history.bounds.values())
    jobs = []
    for each in waiting:
        asked = each.asked.memory if is_memory else each.asked.runtime
        cap = request_cap(history.resource, each.job, each.asked, rows, above=most)
        if asked is not None and cap is not None:
            jobs.append(WaitingJob(job_id=each.job.id, asked=asked, cap=cap.amount))
    return jobs


def _change(sizes: Mapping[int, Sizing], job: Job, asked: int | None) -> tuple[int, int] | None:
    size = sizes.get(job.id)
    return None if size is None or size.request is None or asked is None else (asked, size.request)
