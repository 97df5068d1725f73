"""Failed jobs whose input comes from a suspect success, and what is done with them.

They get no more of anything, and do not run again in vain, before the suspect has run again.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.model import Dependent
from torc_watch.core.recovery_round import Retry, Skip
from torc_watch.core.skipped_job import skipped
from torc_watch.core.suspect_success import Suspicion

FOR_INPUT = (Cause.INPUT, Cause.CODE, Cause.UNKNOWN)  # may follow from what a job was given
_HANDED_OVER = (Cause.INPUT, Cause.CODE)


def suspect_inputs(
    findings: Collection[Finding],
    suspects: Collection[Suspicion],
    dependents: Iterable[Dependent],
) -> dict[int, Suspicion]:
    """By the ID of a failed job: the nearest suspect that it depends on, directly or not.

    Only of jobs that failed for what may be their input.
    """
    if not suspects or not findings:
        return {}
    behind: dict[int, list[int]] = defaultdict(list)
    for each in dependents:
        behind[each.depends_on].append(each.job_id)
    source = {suspect.job.id: suspect for suspect in suspects}
    reached: dict[int, Suspicion] = {}
    jobs = deque(source.items())
    while jobs:
        job_id, suspect = jobs.popleft()
        for dependent in behind[job_id]:
            if dependent not in reached:
                reached[dependent] = source.get(dependent, suspect)
                jobs.append((dependent, reached[dependent]))
    failed = {finding.job.id for finding in findings if finding.cause in FOR_INPUT}
    return {job_id: suspect for job_id, suspect in reached.items() if job_id in failed}


def explained(findings: Iterable[Finding], inputs: Mapping[int, Suspicion]) -> tuple[Finding, ...]:
    """The findings, with the suspects from which jobs have their input in the reasons."""
    return tuple(
        replace(finding, reason=f"{finding.reason}; {_origin(inputs[finding.job.id])}")
        if finding.job.id in inputs
        else finding
        for finding in findings
    )


def with_reruns(
    decisions: Iterable[Retry | Skip],
    inputs: Mapping[int, Suspicion],
    findings: Mapping[int, Finding],
    again: Mapping[int, str],
) -> list[Retry | Skip]:
    """The decisions on failed jobs once it is known which suspects run again.

    ``again`` says, for people, why a suspect does not, by its job's ID; it is empty for one that
    does. A job behind one that does is started over with it, whatever was decided. Behind one that
    does not, a failure that more of anything would not mend is handed over.
    """
    return [
        _with_rerun(each, findings[each.job_id], again.get(inputs[each.job_id].job.id, ""))
        if each.job_id in inputs
        else each
        for each in decisions
    ]


def _with_rerun(decision: Retry | Skip, finding: Finding, objection: str) -> Retry | Skip:
    if not objection:
        return Retry(
            job_id=finding.job.id,
            job_name=finding.job.name,
            cause=finding.cause,
            reason=finding.reason,
        )
    if isinstance(decision, Retry) and finding.cause in _HANDED_OVER:
        return skipped(finding, f"{finding.reason}; {objection}")
    return decision


def _origin(suspect: Suspicion) -> str:
    job = suspect.job
    return f"its input comes from job {job.id} ({job.name}), whose success is suspect"
