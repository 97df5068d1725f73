"""Commands that wait in the spool: no daemon has taken them yet."""

from collections.abc import Mapping
from pathlib import Path

from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.spool import PendingCommand, Spool


def waiting_commands(home: Path) -> Mapping[WorkflowKey, tuple[Action, ...]]:
    """What each workflow was told, in the order in which it was. Raises JournalError."""
    folder = home / "spool"
    try:
        files = Spool(folder).pending()
    except OSError as error:
        raise JournalError(
            f"The spool {folder} cannot be read: {describe_os_error(error)}"
        ) from error
    found: dict[WorkflowKey, tuple[Action, ...]] = {}
    for file in files:
        if isinstance(file, PendingCommand):
            key = file.command.key
            found[key] = (*found.get(key, ()), file.command.action)
    return found
