"""why: why jobs failed, with the evidence."""

from typing import Annotated

import typer

from torc_watch.app.inspection import Inspection, explain, read_attempts, read_standing
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.core.explanation import FailureGroup, group_failures, those_of
from torc_watch.core.recovery_round import Plan, Postponement, Refusal
from torc_watch.core.suspect_success import Suspicion
from torc_watch.render.suspect_text import rerun_command, suspect_values, suspects_section
from torc_watch.render.terminal_text import printable
from torc_watch.render.why_text import why_text, why_values

_MAX_STANDING = 1000  # characters: it has the names of two jobs


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

    Failures for the same reason are shown once, with what the next round of the watch would do
    about them; without a watch that recovers, with what `torc-watchd recover` would do.
    The evidence is what Slurm, the kernel and the server know and what the jobs have written: the
    line that counts is quoted, with its file. Of one job its earlier attempts are shown, too,
    or how it stands if it has not failed.
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
    standing = (
        run(announced(connection, lambda: read_standing(workflow_id, job, url, settings)))
        if job is not None and not groups and not suspects
        else None
    )
    if as_json:
        values = why_values(workflow_id, groups, attempts, standing)
        print_json(values | {"suspects": suspect_values(suspects)})
    elif standing is not None:
        print(printable(standing, _MAX_STANDING))
    else:
        text = why_text(workflow_id, groups, attempts, of_watch=seen.of_watch)
        again = rerun_command(workflow_id, suspects, seen.answer, is_watched=seen.is_watched)
        print("\n".join((*text, *suspects_section(suspects, again))))


def _chosen(
    seen: Inspection, job: str | None
) -> tuple[tuple[FailureGroup, ...], tuple[Suspicion, ...]]:
    """Neither has a job that has not failed, and whose success is not suspect."""
    findings, suspects = seen.findings, seen.suspects
    if job is not None:
        findings, suspects = those_of(job, findings), those_of(job, suspects)
    answer = seen.answer if isinstance(seen.answer, Plan | Postponement | Refusal) else None
    return group_failures(findings, answer, seen.past.retried), suspects
