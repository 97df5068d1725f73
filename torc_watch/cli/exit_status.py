"""How a command ends: an error becomes one message and an exit status."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from torc_watch.cli.standard_output import OutputFailed
from torc_watch.core.errors import InvalidInput, NotFound, ServerError, TorcWatchError
from torc_watch.render.colors import Color, has_colors, painted

HANDED_OVER = 1
USAGE = 2
UNREACHABLE = 5
NO_OUTPUT = 6
INTERRUPTED = 130

EXIT_STATUS_HELP = """\b
Exit status:
  0    every job completed
  1    failures with recovery off, handed over to the user, or another failure
  2    usage: something in the command or in its files is wrong
  3    retries exhausted
  4    stuck: jobs are left, nothing runs them, and no recovery is allowed
  5    the server cannot be reached, or refuses the request
  6    standard output cannot be written; what the command does is done
  130  interrupted
"""


@contextmanager
def errors_as_exit_status() -> Iterator[None]:
    """Errors meant for the user end the command, with one message and an exit status."""
    try:
        yield
        sys.stdout.flush()
    except OutputFailed as error:
        raise typer.Exit(without_output(error)) from error
    except TorcWatchError as error:
        print_error(str(error))
        raise typer.Exit(exit_status(error)) from error
    except KeyboardInterrupt:
        print("torc-watchd: interrupted.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        discard_stdout()
        raise typer.Exit(HANDED_OVER) from None


def exit_status(error: TorcWatchError) -> int:
    """2 for what the user can correct in the command, 5 for the server, 1 for the rest."""
    if isinstance(error, InvalidInput | NotFound):
        return USAGE
    if isinstance(error, ServerError):
        return UNREACHABLE
    return HANDED_OVER


def without_output(error: OutputFailed) -> int:
    """Says so, and returns the exit status. What the command has done is done."""
    discard_stdout()
    print_error(str(error))
    return NO_OUTPUT


def print_error(text: str) -> None:
    name = "torc-watchd:"
    shown = painted(name, Color.RED) if has_colors(sys.stderr) else name
    print(f"{shown} {text}", file=sys.stderr)


def discard_stdout() -> None:
    """After it failed: Python would otherwise complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
