"""resume: paused and ended workflows that the daemon watches again."""

from torc_watch.app import command_delivery
from torc_watch.cli import options
from torc_watch.cli.command_output import print_sent
from torc_watch.cli.event_loop import run
from torc_watch.config.sources import state_folder
from torc_watch.daemon.commands import Action


def resume(
    workflow_ids: options.WorkflowIds,
    *,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Watch paused or ended workflows again.

    The watch of a paused workflow continues. A workflow whose watch has ended gets a new watch,
    with all its retries. One that waits to run jobs again does so at once; a paused one goes on
    waiting, until you resume it once more.

    \b
    Examples:
      torc-watchd resume 42
      torc-watchd resume 1-3,7
    """
    folder = state_folder()
    sent = run(lambda: command_delivery.send(folder, Action.RESUME, workflow_ids, url))
    print_sent(sent, as_json=as_json)
