"""watch: one workflow, in the foreground."""

from dataclasses import replace
from typing import Annotated

import typer

from torc_watch.app.foreground_watch import watch_request
from torc_watch.cli import options
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.cli.watch_output import watch_in_foreground
from torc_watch.config.settings import load_settings
from torc_watch.daemon.commands import WatchOptions

_PATIENCE = 20 * 60.0  # seconds that a server may be unreachable, as for Torc's own commands


@with_watch_options()
def watch(
    workflow_id: options.WorkflowId,
    *,
    watch_options: WatchOptions,
    show_job_counts: Annotated[
        bool,
        typer.Option(
            "--show-job-counts",
            "-s",
            help="Print the number of jobs by status whenever a poll finds it changed.",
        ),
    ] = False,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Watch a workflow to its end, and recover it.

    A watch that was interrupted or killed continues where it stopped when the same command is run
    again: its attempts are still counted, and nothing is changed twice. Options you omit follow the
    configuration (`torc-watchd config show`).

    \b
    Examples:
      torc-watchd watch 42
      torc-watchd watch 42 --auto-recover --max-retries 5 --memory-multiplier 2.0
      torc-watchd watch 42 -r -p 120 -o /scratch/output -s
    """
    settings = load_settings().with_options(watch_options)
    request = replace(
        watch_request(workflow_id, settings), show_job_counts=show_job_counts, patience=_PATIENCE
    )
    return watch_in_foreground(request, settings, url, as_json=as_json)
