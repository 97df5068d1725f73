"""Completion of workflow IDs in a shell, from what the daemon publishes and the journal holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from torc_watch.cli.lazy_commands import load
from torc_watch.config.sources import state_folder
from torc_watch.core.errors import TorcWatchError
from torc_watch.daemon.journal_ids import journal_ids
from torc_watch.daemon.status_file import read_status
from torc_watch.render.daemon_notices import number_waiting
from torc_watch.render.status_table import Waiting, watch_states
from torc_watch.render.terminal_text import printable


def workflow_ids(incomplete: str) -> list[tuple[str, str]]:
    """What the last ID of ``incomplete`` may become, with what a shell may show beside it.

    ``incomplete`` may be a list, such as ``1-3,7``. What cannot be read is left out, and no server
    is asked.
    """
    try:
        home = state_folder()
    except TorcWatchError:
        return []
    known = dict.fromkeys(journal_ids(home), "") | _published(home)  # of two servers, one
    start = max(incomplete.rfind(separator) for separator in ",-") + 1
    return [
        (f"{incomplete[:start]}{number}", known[number])
        for number in sorted(known)
        if str(number).startswith(incomplete[start:])
    ]


def _published(home: Path) -> dict[int, str]:
    """The daemon's list, with what waits to be added to it."""
    waiting: Waiting = load("queued_commands:queued_commands")(home) if number_waiting(home) else {}
    try:
        daemon = read_status(home)
    except TorcWatchError:
        daemon = None
    views = daemon.workflows if daemon else ()
    names = {view.key: printable(view.name) for view in views}
    return {
        key.workflow_id: f"{names.get(key, '')} {state}".strip()
        for key, state in watch_states(views, waiting).items()
    }


class _IdCommand(TyperCommand):
    """Has nothing but IDs; ``load`` gives the command itself, which knows the options too."""

    load: Callable[[], Any]

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Of the name of an option: the IDs are completed by their own parameter."""
        command = self.load()
        with command.make_context(ctx.info_name, [], ctx.parent, resilient_parsing=True) as whole:
            return command.shell_complete(whole, incomplete)


def id_command(load_command: Callable[[], Any]) -> _IdCommand:
    """Stands for a command while a shell completes it: it is imported at once."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    single.command(cls=_IdCommand, context_settings=settings)(_with_ids)
    command = get_command(single)
    assert isinstance(command, _IdCommand)  # noqa: S101 - it is no group
    command.load = load_command
    return command


def _with_ids(
    ids: Annotated[list[str] | None, typer.Argument(autocompletion=workflow_ids)] = None,
) -> None:
    """Is completed, and never run."""
