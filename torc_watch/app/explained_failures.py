"""Why jobs of a workflow failed, in groups, or how one job stands that has not failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from torc_watch.app.inspection import (
    Inspection,
    explain,
    find_workflow,
    read_attempts,
    read_standing,
)
from torc_watch.app.job_logs import output_dir_of
from torc_watch.config.settings import Settings
from torc_watch.core.events import FailedJob
from torc_watch.core.explanation import FailureGroup, group_failures, those_of
from torc_watch.core.past_attempt import PastAttempt
from torc_watch.core.suspect_success import Suspicion
from torc_watch.daemon.status_file import read_status
from torc_watch.engine.error_output import error_folders, failed_jobs
from torc_watch.render.suspect_text import rerun_command, suspects_section
from torc_watch.render.why_text import why_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedFailures:
    """``attempts`` and ``standing`` are of the job that was asked for.

    The earlier ``attempts`` of one that failed; ``standing`` is None unless it has not failed, nor
    is its success suspect. ``errors`` have what was written last in groups that nothing explains.
    """

    seen: Inspection
    groups: tuple[FailureGroup, ...]
    suspects: tuple[Suspicion, ...]
    errors: tuple[FailedJob, ...] = ()
    attempts: Sequence[PastAttempt] = ()
    standing: str | None = None


async def explain_failures(
    workflow_id: int, job: str | None, url: str | None, settings: Settings
) -> ExplainedFailures:
    """Of all jobs, or of the one with this ID or name.

    Raises ServerError, JournalError, and InvalidInput for a workflow or job that is not there.
    """
    seen = await explain(workflow_id, url, settings)
    groups, suspects = _chosen(seen, job)
    errors = _last_errors(seen, groups, url, settings)
    if job is None:
        return ExplainedFailures(seen=seen, groups=groups, suspects=suspects, errors=errors)
    attempts: Sequence[PastAttempt] = ()
    if groups:
        attempts = await read_attempts(groups[0].findings[0], workflow_id, url, settings)
    standing = None
    if not groups and not suspects:
        standing = await read_standing(workflow_id, job, url, settings)
    return ExplainedFailures(
        seen=seen,
        groups=groups,
        suspects=suspects,
        errors=errors,
        attempts=attempts,
        standing=standing,
    )


def _last_errors(
    seen: Inspection, groups: Sequence[FailureGroup], url: str | None, settings: Settings
) -> tuple[FailedJob, ...]:
    workflow, home = seen.observation.workflow, settings.home
    key = find_workflow(home, read_status(home), workflow.id, url)
    output_dir = output_dir_of(key, settings) if key else settings.output_dir
    folders = error_folders(output_dir, workflow.submission_directory)
    return failed_jobs(
        (group.findings[0] for group in groups if not group.clue), workflow.id, folders
    )


def _chosen(
    seen: Inspection, job: str | None
) -> tuple[tuple[FailureGroup, ...], tuple[Suspicion, ...]]:
    """Neither has a job that has not failed, and whose success is not suspect."""
    findings, suspects = seen.findings, seen.suspects
    if job is not None:
        findings, suspects = those_of(job, findings), those_of(job, suspects)
    return group_failures(findings, seen.decision, seen.past.retried), suspects


def failures_text(workflow_id: int, found: ExplainedFailures) -> list[str]:
    """Lines for users: the groups with their evidence, then suspect successes."""
    seen = found.seen
    text = why_text(
        workflow_id, found.groups, found.attempts, errors=found.errors, of_watch=seen.of_watch
    )
    again = rerun_command(workflow_id, found.suspects, seen.answer, is_watched=seen.is_watched)
    return [*text, *suspects_section(found.suspects, again)]
