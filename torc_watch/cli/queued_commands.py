"""Commands that no daemon has taken yet, for those who show them beside what it published."""

from pathlib import Path

from torc_watch.app.waiting_commands import waiting_commands
from torc_watch.core.errors import JournalError
from torc_watch.render.status_table import Waiting


def queued_commands(home: Path) -> Waiting:
    """None while they cannot be read."""
    try:
        return waiting_commands(home)
    except JournalError:
        return {}
