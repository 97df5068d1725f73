"""why: why jobs failed, with the evidence."""

from typing import Annotated

import typer

from torc_watch.app.inspection import Inspection, explain, read_attempts
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.core.errors import InvalidInput
from torc_watch.core.explanation import FailureGroup, group_failures
from torc_watch.core.recovery_round import Plan, Postponement, Refusal
from torc_watch.core.suspect_success import Suspicion
from torc_watch.render.suspect_text import suspect_values, suspects_section
from torc_watch.render.why_text import why_text, why_values


def why(
    workflow_id: options.WorkflowId,
    job: Annotated[
        str | None,
        typer.Argument(help="ID or name of one job.", metavar="JOB", show_default=False),
    ] = None,
    *,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Say why jobs failed, with the evidence.

    Failures for the same reason are shown once, with what a round of recovery would do about them.
    The evidence is what Slurm, the kernel and the server know and what the jobs have written: the
    line that counts is quoted, with its file. Of one job its earlier attempts are shown, too.
    Changes nothing, and works with the daemon and without.

    \b
    Examples:
      torc-watchd why 42
      torc-watchd why 42 train_model_7
      torc-watchd why 42 --json
    """
    settings = load_settings()
    connection = settings.connection(url)
    seen = run(announced(connection, lambda: explain(workflow_id, url, settings)))
    groups, suspects = _chosen(seen, job)
    first = groups[0].findings[0] if groups and job is not None else None
    attempts = (
        run(announced(connection, lambda: read_attempts(first, workflow_id, url, settings)))
        if first is not None
        else ()
    )
    if as_json:
        values = why_values(workflow_id, groups, attempts)
        print_json(values | {"suspects": suspect_values(suspects)})
    else:
        text = (*why_text(workflow_id, groups, attempts), *suspects_section(suspects))
        print("\n".join(text))


def _chosen(
    seen: Inspection, job: str | None
) -> tuple[tuple[FailureGroup, ...], tuple[Suspicion, ...]]:
    """Raises InvalidInput for a job that has not failed, and whose success is not suspect."""
    findings = [each for each in seen.findings if job in (None, each.job.name, str(each.job.id))]
    suspects = tuple(
        each for each in seen.suspects if job in (None, each.job.name, str(each.job.id))
    )
    if job is not None and not findings and not suspects:
        raise InvalidInput(
            f"Job {job} of workflow {seen.observation.workflow.id} has not failed, or there is no "
            f"such job. See all failures with: torc-watchd why {seen.observation.workflow.id}"
        )
    answer = seen.answer if isinstance(seen.answer, Plan | Postponement | Refusal) else None
    return group_failures(findings, answer, seen.past.retried), suspects
