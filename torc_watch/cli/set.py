"""set: other options for watched workflows."""

from pathlib import Path

import typer

from torc_watch.app import command_delivery
from torc_watch.cli import options
from torc_watch.cli.command_output import print_sent
from torc_watch.cli.event_loop import run
from torc_watch.cli.output_folder import prepare_output_folder
from torc_watch.cli.watch_options import Unset, option_names, with_watch_options
from torc_watch.config.sources import state_folder
from torc_watch.daemon.commands import Action, WatchOptions


@with_watch_options()
def set_(
    workflow_ids: options.WorkflowIds,
    *,
    watch_options: WatchOptions,
    unset: Unset = None,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Change the options of watched workflows.

    A round of recovery that is in progress ends first. Options not given are left unchanged (the
    defaults below do not apply).

    \b
    Examples:
      torc-watchd set 42 --max-retries 6
      torc-watchd set 42-44 --no-auto-recover
      torc-watchd set 42 --unset max-retries
    """
    names = option_names(unset)
    if watch_options == WatchOptions() and not names:
        raise typer.BadParameter("Give at least one option to change, such as --max-retries 6.")
    if watch_options.output_dir is not None:
        prepare_output_folder(Path(watch_options.output_dir), creates=False)
    folder = state_folder()
    sent = run(
        lambda: command_delivery.send(folder, Action.SET, workflow_ids, url, watch_options, names)
    )
    print_sent(sent, as_json=as_json)
