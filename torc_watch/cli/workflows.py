"""workflows: those that the server has."""

import sys
from pathlib import Path

from torc_watch.app.waiting_commands import waiting_commands
from torc_watch.app.workflow_list import ListedWorkflow, list_workflows
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.daemon.status_file import read_status
from torc_watch.render.colors import has_colors
from torc_watch.render.status_table import watch_states
from torc_watch.render.workflow_list import workflow_lines, workflow_values


def workflows(*, url: options.Url = None, as_json: options.Json = False) -> None:
    """List the workflows on the server.

    Each with the state of its jobs, how many of all are done, and how many failed. WATCHED says
    what your daemon does with it. Jobs are counted for the last hundred workflows.

    \b
    Examples:
      torc-watchd workflows
      torc-watchd workflows --json
    """
    settings = load_settings()
    connection = settings.connection(url)
    found = run(announced(connection, lambda: list_workflows(connection)))
    watched = _watched(settings.home, connection.url)
    if as_json:
        values = [
            workflow_values(each.workflow, each.counts, watched.get(each.workflow.id))
            for each in found
        ]
        print_json({"server": connection.url, "workflows": values})
    elif found:
        _show(found, watched)
    else:
        print(f"No workflows on {connection.url}. Create one with: torc-watchd submit FILE")


def _show(found: list[ListedWorkflow], watched: dict[int, str]) -> None:
    rows = [(each.workflow, each.counts) for each in found]
    print("\n".join(workflow_lines(rows, watched, colored=has_colors(sys.stdout))))


def _watched(home: Path, server: str) -> dict[int, str]:
    """What the daemon does with the workflows of this server, by ID. Raises JournalError."""
    daemon = read_status(home)
    states = watch_states(daemon.workflows if daemon else (), waiting_commands(home))
    return {key.workflow_id: state for key, state in states.items() if key.server == server}
