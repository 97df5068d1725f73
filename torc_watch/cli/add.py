"""add: workflows for the daemon to watch."""

from torc_watch.app import command_delivery
from torc_watch.cli import options
from torc_watch.cli.command_output import print_sent, print_warning
from torc_watch.cli.event_loop import run
from torc_watch.cli.output_folder import prepare_output_folder
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.config.settings import load_settings
from torc_watch.daemon.commands import WatchOptions


@with_watch_options()
def add(
    workflow_ids: options.WorkflowIds,
    *,
    watch_options: WatchOptions,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Add workflows to the daemon.

    Works whether the daemon is running or not, and from any login node. Options you omit follow the
    configuration, including later changes to it (`torc-watchd config show`). Output goes to the
    configured folder, or else to `output` in the folder where a workflow is first added. Adding a
    workflow whose watch has ended starts a new watch, with all its retries; options given before
    still apply.

    \b
    Examples:
      torc-watchd add 42 --auto-recover --max-retries 5 --memory-multiplier 2.0
      torc-watchd add 43 44 --poll-interval 300
      torc-watchd add 1-3,7
    """
    settings = load_settings()
    prepare_output_folder(settings.with_options(watch_options).output_dir, creates=False)
    sent = run(
        lambda: command_delivery.add(workflow_ids, watch_options, settings, url, print_warning)
    )
    print_sent(sent, as_json=as_json)
