"""history: what was done for a workflow."""

import json

from torc_watch.app.inspection import past_watches
from torc_watch.cli import options
from torc_watch.config.sources import state_folder
from torc_watch.render.history_text import history_text, history_values


def history(
    workflow_id: options.WorkflowId, *, url: options.KnownUrl = None, as_json: options.Json = False
) -> None:
    """Show what was done for a workflow, when and why.

    \b
    Examples:
      torc-watchd history 42
      torc-watchd history 42 --json
    """
    watches = past_watches(state_folder(), workflow_id, url)
    if as_json:
        print(json.dumps(history_values(watches)))
        return
    for line in history_text(watches):
        print(line, flush=True)
