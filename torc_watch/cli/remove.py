"""remove: workflows that the daemon no longer watches."""

from torc_watch.app import command_delivery
from torc_watch.cli import options
from torc_watch.cli.command_output import print_sent
from torc_watch.cli.event_loop import run
from torc_watch.config.sources import state_folder
from torc_watch.daemon.commands import Action


def remove(
    workflow_ids: options.WorkflowIds,
    *,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Stop watching workflows and remove them from the list.

    Their jobs keep running, and `torc-watchd history` still shows what was done.

    \b
    Examples:
      torc-watchd remove 42
      torc-watchd remove 1-3,7
    """
    folder = state_folder()
    sent = run(lambda: command_delivery.send(folder, Action.REMOVE, workflow_ids, url))
    print_sent(sent, as_json=as_json)
