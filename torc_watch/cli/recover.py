"""recover: one round of recovery, now."""

from typing import Annotated

import typer

from torc_watch.app.chosen_round import check, chosen_request
from torc_watch.app.plan_answers import held_watch_explained
from torc_watch.cli import options, round_options
from torc_watch.cli.event_loop import run
from torc_watch.cli.plan import show_plan
from torc_watch.cli.waiting_notice import announced
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.cli.watch_output import watch_in_foreground
from torc_watch.config.settings import Settings, load_settings
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchOptions


@with_watch_options(
    "memory_multiplier",
    "runtime_multiplier",
    "policy",
    "cpu_multiplier",
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
    plan_id: round_options.PlanId = None,
    jobs: round_options.Jobs = None,
    memory: round_options.Memory = None,
    runtime: round_options.Runtime = None,
    watch_options: WatchOptions,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Carry out one round of recovery, and return.

    The workflow must be at rest: nothing may still be running its jobs.

    With --plan, it is the round that `torc-watchd plan` showed, with the same options, or none:
    what has changed since ends the command with 14, before anything is done.

    \b
    Examples:
      torc-watchd recover 42 --dry-run
      torc-watchd recover 42 --plan 7f3a2c1b
      torc-watchd recover 42 --job train_3 --memory 16g
      torc-watchd recover 42 --no-retry-unknown
    """
    settings = load_settings().with_options(watch_options)
    choice = round_options.job_choice(jobs, memory, runtime)
    if dry_run:
        return show_plan(workflow_id, settings, url, choice, as_json=as_json)
    if plan_id is not None:
        _check_plan(plan_id, workflow_id, settings, url, choice)
    request = chosen_request(plan_id, workflow_id, settings, choice)
    key = WorkflowKey(settings.connection(url).url, workflow_id)
    with held_watch_explained(settings.home, key):
        return watch_in_foreground(request, settings, url, as_json=as_json)


def _check_plan(
    plan_id: str, workflow_id: int, settings: Settings, url: str | None, choice: JobChoice | None
) -> None:
    """Raises PlanChanged, before a watch begins."""
    connection = settings.connection(url)
    run(announced(connection, lambda: check(plan_id, workflow_id, settings, connection, choice)))
