"""What a failed attempt says of the need of its kind."""

from torc_watch.core.cause import Remedy
from torc_watch.core.findings import Finding
from torc_watch.core.job_kind import kind_key
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.model import Workflow

_ENDS = {
    Remedy.RAISE_MEMORY: AttemptEnd.OUT_OF_MEMORY,
    Remedy.RAISE_RUNTIME: AttemptEnd.OUT_OF_TIME,
}


def attempt_of(workflow: Workflow, finding: Finding) -> SizedAttempt:
    """The attempt of a finding; whether it was a scout is not known from that."""
    asked = finding.requirements
    return SizedAttempt(
        kind=kind_key(workflow.id, finding.job, asked),
        job_id=finding.job.id,
        run_id=workflow.run_id if finding.run_id is None else finding.run_id,
        attempt=finding.job.attempt,
        end=_ENDS.get(finding.remedy, AttemptEnd.OTHER),
        memory=asked.memory if asked else None,
        runtime=asked.runtime if asked else None,
        peak=finding.peak_memory,
        ran=finding.ran,
    )
