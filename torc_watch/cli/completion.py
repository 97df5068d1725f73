"""Completion of workflow IDs in a shell, from what the daemon publishes and the journal holds."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torc_watch.config.sources import state_folder
from torc_watch.core.errors import TorcWatchError
from torc_watch.daemon.status_file import read_status
from torc_watch.daemon.watch_history import known_workflows, last_watched
from torc_watch.render.status_table import state
from torc_watch.render.terminal_text import printable

Described = Mapping[int, str]  # by ID, what a shell may show beside it


def workflow_ids(incomplete: str) -> list[tuple[str, str]]:
    """What the last ID of ``incomplete`` may become, with what a shell may show beside it.

    ``incomplete`` may be a list, such as ``1-3,7``. What cannot be read is left out, and no server
    is asked.
    """
    try:
        home = state_folder()
    except TorcWatchError:
        return []
    known: dict[int, str] = {}
    for read in (_watched_before, _listed, _published):  # an ID of two servers stands once
        known |= _if_readable(read, home)
    start = max(incomplete.rfind(separator) for separator in ",-") + 1
    return [
        (f"{incomplete[:start]}{number}", known[number])
        for number in sorted(known)
        if str(number).startswith(incomplete[start:])
    ]


def _if_readable(read: Callable[[Path], Described], home: Path) -> Described:
    try:
        return read(home)
    except (TorcWatchError, OSError):
        return {}


def _watched_before(home: Path) -> Described:
    return dict.fromkeys(last_watched(home), "")


def _listed(home: Path) -> Described:
    return {key.workflow_id: each.state.value for key, each in known_workflows(home).items()}


def _published(home: Path) -> Described:
    daemon = read_status(home)
    views = daemon.workflows if daemon else ()
    return {view.workflow_id: f"{printable(view.name)} {state(view)}".strip() for view in views}
