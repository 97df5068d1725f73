"""pause: workflows that the daemon leaves alone for a time."""

from torc_watch.app import command_delivery
from torc_watch.cli import options
from torc_watch.cli.command_output import print_sent
from torc_watch.cli.event_loop import run
from torc_watch.config.sources import state_folder
from torc_watch.daemon.commands import Action


def pause(
    workflow_ids: options.WorkflowIds,
    *,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Stop watching workflows until they are resumed.

    A round of recovery that is in progress ends first.

    \b
    Examples:
      torc-watchd pause 42
      torc-watchd pause 1-3,7
    """
    folder = state_folder()
    sent = run(lambda: command_delivery.send(folder, Action.PAUSE, workflow_ids, url))
    print_sent(sent, as_json=as_json)
