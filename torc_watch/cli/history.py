"""history: what was done for a workflow."""

from torc_watch.app.inspection import past_watches
from torc_watch.cli import options
from torc_watch.cli.json_output import print_json
from torc_watch.config.sources import state_folder
from torc_watch.render.history_text import history_text, history_values


def history(
    workflow_ids: options.WorkflowIds,
    *,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Show what was done for workflows, when and why.

    \b
    Examples:
      torc-watchd history 42
      torc-watchd history 1-3
      torc-watchd history 42 --json
    """
    folder = state_folder()
    watches = [
        watch for workflow_id in workflow_ids for watch in past_watches(folder, workflow_id, url)
    ]
    if as_json:
        print_json({"watches": history_values(watches)})
        return
    for line in history_text(watches):
        print(line, flush=True)
