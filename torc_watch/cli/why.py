"""why: why jobs failed, with the evidence."""

from typing import Annotated

import typer

from torc_watch.app.explained_failures import explain_failures, failures_text
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.render.suspect_text import suspect_values
from torc_watch.render.terminal_text import printable
from torc_watch.render.why_text import why_values

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
    found = run(announced(connection, lambda: explain_failures(workflow_id, job, url, settings)))
    if as_json:
        values = why_values(workflow_id, found.groups, found.attempts, found.standing, found.errors)
        print_json(values | {"suspects": suspect_values(found.suspects)})
    elif found.standing is not None:
        print(printable(found.standing, _MAX_STANDING))
    else:
        print("\n".join(failures_text(workflow_id, found)))
