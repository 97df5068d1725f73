"""add, set, pause, resume, remove: what a person asks of the daemon, whether it runs or not."""

import typer

from torc_watch.cli import giving, options, running
from torc_watch.daemon.commands import Action, WatchOptions


def add(
    workflow_ids: options.WorkflowIds,
    *,
    auto_recover: options.AutoRecover = None,
    max_retries: options.MaxRetries = None,
    memory_multiplier: options.MemoryMultiplier = None,
    runtime_multiplier: options.RuntimeMultiplier = None,
    retry_unknown: options.RetryUnknown = None,
    recovery_hook: options.RecoveryHook = None,
    poll_interval: options.PollInterval = None,
    output_dir: options.OutputDir = None,
    url: options.Url = None,
) -> None:
    """Let the daemon look after workflows, from now on.

    Works whether it runs or not, and from any login node. What is not said here follows the
    configuration, also when that changes later (`torc-watchd config show`). Output goes to the
    folder that is configured, else to `output` in the folder where a workflow is first added.
    Adding a workflow whose watch has ended begins it anew, with all its retries; what was said
    before still holds.

    \b
    Examples:
      torc-watchd add 42 --auto-recover --max-retries 5 --memory-multiplier 2.0
      torc-watchd add 43 44 --poll-interval 300
    """
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
    settings = running.load_settings()
    running.run(lambda: giving.add(workflow_ids, choices, settings, url))


def set_(
    workflow_ids: options.WorkflowIds,
    *,
    auto_recover: options.AutoRecover = None,
    max_retries: options.MaxRetries = None,
    memory_multiplier: options.MemoryMultiplier = None,
    runtime_multiplier: options.RuntimeMultiplier = None,
    retry_unknown: options.RetryUnknown = None,
    recovery_hook: options.RecoveryHook = None,
    poll_interval: options.PollInterval = None,
    output_dir: options.OutputDir = None,
    unset: options.Unset = None,
    url: options.KnownUrl = None,
) -> None:
    """Change how workflows are looked after.

    A round of recovery that is under way ends first. What is not said stays as it is, whatever
    default is named below.

    \b
    Examples:
      torc-watchd set 42 --max-retries 6
      torc-watchd set 42 43 --no-auto-recover
      torc-watchd set 42 --unset max-retries
    """
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
    names = options.choice_names(unset)
    if choices == WatchOptions() and not names:
        raise typer.BadParameter("Say what is to change, such as --max-retries 6.")
    running.run(lambda: giving.order(Action.SET, workflow_ids, url, choices, names))


def pause(workflow_ids: options.WorkflowIds, *, url: options.KnownUrl = None) -> None:
    """Leave workflows alone until they are resumed.

    A round of recovery that is under way ends first.

    \b
    Examples:
      torc-watchd pause 42
    """
    running.run(lambda: giving.order(Action.PAUSE, workflow_ids, url))


def resume(workflow_ids: options.WorkflowIds, *, url: options.KnownUrl = None) -> None:
    """Look after workflows again, paused or ended.

    The watch of a paused one goes on; that of one that ended begins anew, with all its retries.

    \b
    Examples:
      torc-watchd resume 42
    """
    running.run(lambda: giving.order(Action.RESUME, workflow_ids, url))


def remove(workflow_ids: options.WorkflowIds, *, url: options.KnownUrl = None) -> None:
    """Look after workflows no more, and list them no more.

    Their jobs go on, and `torc-watchd history` still knows what was done.

    \b
    Examples:
      torc-watchd remove 42
    """
    running.run(lambda: giving.order(Action.REMOVE, workflow_ids, url))
