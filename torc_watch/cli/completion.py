"""Completion of workflow IDs in a shell, from what the daemon publishes and the journal holds."""

from pathlib import Path

from torc_watch.config.sources import state_folder
from torc_watch.core.errors import TorcWatchError
from torc_watch.daemon.status_file import read_status
from torc_watch.daemon.watch_history import known_workflows, last_watched
from torc_watch.render.status_table import state
from torc_watch.render.terminal_text import printable


def workflow_ids(incomplete: str) -> list[tuple[str, str]]:
    """What the last ID of ``incomplete`` may become, with what a shell may show beside it.

    ``incomplete`` may be a list, such as ``1-3,7``. Nothing where the state folder cannot be read;
    no server is asked.
    """
    try:
        known = _known(state_folder())
    except (TorcWatchError, OSError):
        return []
    start = max(incomplete.rfind(separator) for separator in ",-") + 1
    return [
        (f"{incomplete[:start]}{number}", known[number])
        for number in sorted(known)
        if str(number).startswith(incomplete[start:])
    ]


def _known(home: Path) -> dict[int, str]:
    """What is known of each workflow; an ID that two servers have stands once."""
    known = dict.fromkeys(last_watched(home), "")
    known |= {key.workflow_id: each.state.value for key, each in known_workflows(home).items()}
    daemon = read_status(home)
    for view in daemon.workflows if daemon else ():
        known[view.workflow_id] = f"{printable(view.name)} {state(view)}".strip()
    return known
