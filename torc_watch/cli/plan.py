"""plan: what a round of recovery would do."""

from typing import Annotated

import typer

from torc_watch.app import inspection
from torc_watch.app.inspection import Inspection
from torc_watch.app.plan_answers import waiting_plan
from torc_watch.cli import options, round_options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.config.settings import Settings, load_settings
from torc_watch.core.job_choice import JobChoice
from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.plan_text import QuotedPlan, plan_status, plan_text, plan_values
from torc_watch.render.proposal_text import proposal_text, shown_plan_values


@with_watch_options(
    "memory_multiplier",
    "runtime_multiplier",
    "policy",
    "cpu_multiplier",
    "retry_unknown",
    "rerun_suspects",
    "scheduler",
    "max_allocations",
    "max_node_hours",
    "partition",
    "walltime",
)
def plan(
    workflow_id: options.WorkflowId,
    *,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the plan of its watch that waits for approval."),
    ] = False,
    jobs: round_options.Jobs = None,
    memory: round_options.Memory = None,
    runtime: round_options.Runtime = None,
    watch_options: WatchOptions,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Print what recovery would do; change nothing.

    Shows the round that `torc-watchd recover` would carry out: a user asks for it, so that all
    failures are retried at once, whatever was tried before. What comes next in a watch is in
    `torc-watchd status`.

    The plan's ID stands for exactly these changes: `torc-watchd recover 42 --plan ID`, with the
    same options, carries them out, and refuses when the workflow has changed since.

    Ends with 0 when there is a plan or nothing to do, with 1 when the user has to step in.

    \b
    Examples:
      torc-watchd plan 42
      torc-watchd plan 42 --memory-multiplier 2.0 --json
      torc-watchd plan 42 --job train_3 --memory 16g
      torc-watchd plan 42 --show
    """
    settings = load_settings().with_options(watch_options)
    if show:
        return _show_waiting(workflow_id, settings, url, as_json=as_json)
    choice = round_options.job_choice(jobs, memory, runtime)
    return show_plan(workflow_id, settings, url, choice, as_json=as_json)


def show_plan(
    workflow_id: int,
    settings: Settings,
    url: str | None,
    choice: JobChoice | None,
    *,
    as_json: bool,
) -> int:
    """Prints the plan and returns the exit status; `recover --dry-run` does the same."""
    connection = settings.connection(url)
    seen = run(
        announced(connection, lambda: inspection.plan(workflow_id, settings, connection, choice))
    )
    quoted = quoted_plan(seen)
    if as_json:
        print_json(plan_values(workflow_id, seen.answer, seen.all_notes, quoted))
    else:
        print("\n".join(plan_text(workflow_id, seen.answer, seen.all_notes, quoted=quoted)))
    return plan_status(seen.answer)


def _show_waiting(workflow_id: int, settings: Settings, url: str | None, *, as_json: bool) -> int:
    waiting = waiting_plan(settings.home, workflow_id, url)
    if as_json:
        print_json(shown_plan_values(waiting))
    else:
        print("\n".join(proposal_text(waiting)))
    return 0


def quoted_plan(seen: Inspection) -> QuotedPlan | None:
    return QuotedPlan(seen.plan_id, seen.price) if seen.price else None
