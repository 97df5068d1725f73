"""How a command ends: what it raises becomes one clear message and an exit status."""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from torc_watch.core import errors

if TYPE_CHECKING:
    from torc_watch.settings import Settings

T = TypeVar("T")

HANDED_OVER = 1
USAGE = 2
UNREACHABLE = 5
INTERRUPTED = 130


def run(command: Callable[[], Awaitable[T]]) -> T:
    """Runs ``command`` on a new event loop; errors meant for the user end the process."""
    import anyio

    try:
        return anyio.run(command)
    except errors.TorcWatchError as error:
        print(f"torc-watchd: {error}", file=sys.stderr)
        raise typer.Exit(exit_status(error)) from error
    except KeyboardInterrupt:
        print("torc-watchd: interrupted.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read us is gone, and Python would say so once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(HANDED_OVER) from None


def exit_status(error: errors.TorcWatchError) -> int:
    """2 for what the user can put right in the command, 5 for the server, 1 for the rest."""
    if isinstance(error, errors.InvalidInput | errors.NotFound):
        return USAGE
    if isinstance(error, errors.ServerError):
        return UNREACHABLE
    return HANDED_OVER


def load_settings() -> "Settings":
    """Settings from the environment, or the end of the process with what is wrong in it."""
    from pydantic import ValidationError

    from torc_watch.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            print(f"torc-watchd: {name} in the environment: {problem['msg']}", file=sys.stderr)
        raise typer.Exit(USAGE) from error
