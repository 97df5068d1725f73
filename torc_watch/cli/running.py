"""How a command ends: what it raises becomes one clear message and an exit status."""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from torc_watch.core import errors

if TYPE_CHECKING:
    from torc_watch.config.settings import Settings

T = TypeVar("T")

HANDED_OVER = 1
USAGE = 2
UNREACHABLE = 5
INTERRUPTED = 130


def run(command: Callable[[], Awaitable[T]]) -> T:
    """Runs ``command`` on a new event loop; errors meant for the user end the process."""
    import asyncio

    import anyio

    with ending():
        try:
            return anyio.run(_interruptible, command)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


@contextmanager
def ending() -> Iterator[None]:
    """Errors meant for the user end the process, with one message and an exit status."""
    try:
        yield
        _flush()
    except errors.TorcWatchError as error:
        print(f"torc-watchd: {error}", file=sys.stderr)
        raise typer.Exit(exit_status(error)) from error
    except KeyboardInterrupt:
        print("torc-watchd: interrupted.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        discard_stdout()
        raise typer.Exit(HANDED_OVER) from None


async def _interruptible(command: Callable[[], Awaitable[T]]) -> T:
    """A polite kill and the end of the terminal count as Ctrl-C: what was started is stopped."""
    import asyncio

    this = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if this is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup's
            asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    return await command()


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        print(f"torc-watchd: standard output: {error.strerror}.", file=sys.stderr)
        raise typer.Exit(HANDED_OVER) from error


def discard_stdout() -> None:
    """After its trouble: Python would otherwise complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_status(error: errors.TorcWatchError) -> int:
    """2 for what the user can put right in the command, 5 for the server, 1 for the rest."""
    if isinstance(error, errors.InvalidInput | errors.NotFound):
        return USAGE
    if isinstance(error, errors.ServerError):
        return UNREACHABLE
    return HANDED_OVER


def load_settings() -> "Settings":
    """What is configured, or the end of the process with what is wrong in it."""
    from torc_watch.config.settings import load_settings

    with ending():
        return load_settings()
