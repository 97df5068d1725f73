"""recover: one round of recovery, now."""

from typing import Annotated

import typer

from torc_watch.app.foreground_watch import round_request
from torc_watch.cli import options
from torc_watch.cli.plan import show_plan
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.cli.watch_output import watch_in_foreground
from torc_watch.config.settings import load_settings
from torc_watch.daemon.commands import WatchOptions


@with_watch_options(
    "memory_multiplier",
    "runtime_multiplier",
    "retry_unknown",
    "rerun_suspects",
    "recovery_hook",
    "scheduler",
    "max_allocations",
    "max_node_hours",
    "partition",
    "walltime",
    "output_dir",
)
def recover(
    workflow_id: options.WorkflowId,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print the plan and change nothing.")
    ] = False,
    watch_options: WatchOptions,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Carry out one round of recovery, and return.

    The workflow must be at rest: nothing may still be running its jobs.

    \b
    Examples:
      torc-watchd recover 42 --dry-run
      torc-watchd recover 42 --no-retry-unknown
    """
    settings = load_settings().with_options(watch_options)
    if dry_run:
        return show_plan(workflow_id, settings, url, as_json=as_json)
    request = round_request(workflow_id, settings)
    return watch_in_foreground(request, settings, url, as_json=as_json)
