"""watch, plan, recover, workflows."""

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from torc_watch.cli import options, running
from torc_watch.daemon.commands import WatchOptions

if TYPE_CHECKING:
    from torc_watch.config.settings import Settings
    from torc_watch.engine.watch import WatchRequest

_PATIENCE = 20 * 60.0  # seconds that a server may stay away, as long as Torc's own commands wait


def watch(
    workflow_id: options.WorkflowId,
    *,
    auto_recover: options.AutoRecover = None,
    max_retries: options.MaxRetries = None,
    memory_multiplier: options.MemoryMultiplier = None,
    runtime_multiplier: options.RuntimeMultiplier = None,
    retry_unknown: options.RetryUnknown = None,
    recovery_hook: options.RecoveryHook = None,
    poll_interval: options.PollInterval = None,
    output_dir: options.OutputDir = None,
    show_job_counts: options.ShowJobCounts = False,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Watch a workflow to its end, and recover it.

    A watch that was interrupted or killed goes on where it stopped when the same command is
    run again: its attempts are counted on, and nothing is changed twice. What no option says
    follows the configuration (`torc-watchd config show`).

    \b
    Examples:
      torc-watchd watch 42
      torc-watchd watch 42 --auto-recover --max-retries 5 --memory-multiplier 2.0
      torc-watchd watch 42 -r -p 120 -o /scratch/output -s
    """
    from torc_watch.app import composition

    choices = WatchOptions(
        auto_recover=auto_recover,
        max_retries=max_retries,
        memory_multiplier=memory_multiplier,
        runtime_multiplier=runtime_multiplier,
        retry_unknown=retry_unknown,
        recovery_hook=options.split_command(recovery_hook),
        poll_interval=poll_interval,
        output_dir=options.absolute(output_dir),
    )
    settings = running.load_settings().chosen(choices)
    request = replace(
        composition.watch_request(workflow_id, settings),
        show_job_counts=show_job_counts,
        patience=_PATIENCE,
    )
    raise typer.Exit(perform(request, settings, url=url, as_json=as_json))


def perform(
    request: "WatchRequest", settings: "Settings", *, url: str | None, as_json: bool
) -> int:
    """Carries a watch out and returns its exit status; shared with recover and demo."""
    from torc_watch.app import composition
    from torc_watch.cli.reporting import reporting

    async def command() -> int:
        with reporting(request, as_json=as_json) as report:
            ended = await composition.watch(request, settings, settings.connection(url), report)
        return ended.verdict.exit_status

    return running.run(command)


def plan(
    workflow_id: options.WorkflowId,
    *,
    memory_multiplier: options.MemoryMultiplier = None,
    runtime_multiplier: options.RuntimeMultiplier = None,
    retry_unknown: options.RetryUnknown = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Print what recovery would do; change nothing.

    Ends with 0 when there is a plan or nothing to do, with 1 when a person has to look.

    \b
    Examples:
      torc-watchd plan 42
      torc-watchd plan 42 --memory-multiplier 2.0 --json
    """
    choices = WatchOptions(
        memory_multiplier=memory_multiplier,
        runtime_multiplier=runtime_multiplier,
        retry_unknown=retry_unknown,
    )
    settings = running.load_settings().chosen(choices)
    raise typer.Exit(_show_plan(workflow_id, settings, url=url, as_json=as_json))


def recover(
    workflow_id: options.WorkflowId,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print the plan and change nothing.")
    ] = False,
    memory_multiplier: options.MemoryMultiplier = None,
    runtime_multiplier: options.RuntimeMultiplier = None,
    retry_unknown: options.RetryUnknown = None,
    recovery_hook: options.RecoveryHook = None,
    output_dir: options.OutputDir = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Carry out one round of recovery, and return.

    The workflow must have come to rest: nothing may still run its jobs.

    \b
    Examples:
      torc-watchd recover 42 --dry-run
      torc-watchd recover 42 --no-retry-unknown
    """
    from torc_watch.app import composition

    choices = WatchOptions(
        memory_multiplier=memory_multiplier,
        runtime_multiplier=runtime_multiplier,
        retry_unknown=retry_unknown,
        recovery_hook=options.split_command(recovery_hook),
        output_dir=options.absolute(output_dir),
    )
    settings = running.load_settings().chosen(choices)
    if dry_run:
        raise typer.Exit(_show_plan(workflow_id, settings, url=url, as_json=as_json))
    request = composition.round_request(workflow_id, settings)
    raise typer.Exit(perform(request, settings, url=url, as_json=as_json))


def workflows(*, url: options.Url = None, as_json: options.Json = False) -> None:
    """List the workflows on the server.

    \b
    Examples:
      torc-watchd workflows --json
    """
    from torc_watch.app import composition
    from torc_watch.render.terminal_text import printable

    settings = running.load_settings()

    async def command() -> None:
        async with composition.open_client(settings.connection(url)) as client:
            found = await client.list_workflows()
        if as_json:
            print(json.dumps([asdict(workflow) for workflow in found]))
        for workflow in () if as_json else found:
            print(f"{workflow.id:>6}  {printable(workflow.user):12} {printable(workflow.name)}")

    running.run(command)


def _show_plan(workflow_id: int, settings: "Settings", *, url: str | None, as_json: bool) -> int:
    from torc_watch.app import inspection
    from torc_watch.render.plan_text import plan_status, plan_text, plan_values

    async def command() -> int:
        recovery = replace(settings.recovery(), max_retries=None)
        answer = await inspection.plan(workflow_id, recovery, settings, settings.connection(url))
        if as_json:
            print(json.dumps(plan_values(workflow_id, answer)))
        else:
            print("\n".join(plan_text(workflow_id, answer)))
        return plan_status(answer)

    return running.run(command)
