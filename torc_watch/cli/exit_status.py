"""How a command ends: an error becomes one message and an exit status."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from torc_watch.cli.standard_output import OutputFailed
from torc_watch.core.errors import (
    ConfigurationAway,
    InvalidInput,
    JournalError,
    LeaseLost,
    NotFound,
    PlanChanged,
    RecordUnreadable,
    SandboxError,
    SchedulerError,
    ServerError,
    ServiceError,
    TorcWatchError,
    WatchHeld,
)
from torc_watch.render.colors import Color, has_colors, painted

HANDED_OVER = 1
USAGE = 2
UNREACHABLE = 5
NO_OUTPUT = 6
HELD = 7
STATE = 8
SCHEDULER = 9
SERVICE = 10
SANDBOX = 11
UNFIT = 12
NO_PROFILE = 13
PLAN_CHANGED = 14
UNSENT = 15
CRASHED = 70  # EX_SOFTWARE of sysexits(3)
INTERRUPTED = 130

# README.md has the same table. 0, 3 and 4 are verdicts of a watch, as are 1, 5 and 70.
EXIT_STATUSES = {
    0: "every job completed; of other commands: done",
    HANDED_OVER: "failures with recovery off, or handed over to the user",
    USAGE: "usage: something in the command or in its files is wrong",
    3: "retries exhausted",
    4: "stuck: jobs are left, nothing runs them, and no recovery is allowed",
    UNREACHABLE: "the server cannot be reached, or refuses the request",
    NO_OUTPUT: "standard output cannot be written; what the command does is done",
    HELD: "another process watches the workflow",
    STATE: "the state folder, the journal or a configuration file cannot be used",
    SCHEDULER: "Slurm, or workers on this machine, cannot be used",
    SERVICE: "the service cannot be installed, started or removed",
    SANDBOX: "the sandbox cannot use its port or its folder",
    UNFIT: "doctor: something keeps the daemon from running here",
    NO_PROFILE: "hpc detect: no cluster is recognized here",
    PLAN_CHANGED: "the plan is not the one that you have seen: nothing was done",
    UNSENT: "notify test: a channel did not take the message",
    CRASHED: "internal error: please report it",
    INTERRUPTED: "interrupted",
}
EXIT_STATUS_HELP = "\n".join(
    ("\b", "Exit status:", *(f"  {number:<4} {text}" for number, text in EXIT_STATUSES.items()), "")
)
_STATUS_OF: tuple[tuple[type[TorcWatchError], int], ...] = (  # the first that matches
    (InvalidInput, USAGE),
    (NotFound, USAGE),
    (ServerError, UNREACHABLE),
    (WatchHeld, HELD),
    (LeaseLost, HELD),
    (JournalError, STATE),
    (RecordUnreadable, STATE),
    (ConfigurationAway, STATE),
    (SchedulerError, SCHEDULER),
    (PlanChanged, PLAN_CHANGED),
    (ServiceError, SERVICE),
    (SandboxError, SANDBOX),
    (OutputFailed, NO_OUTPUT),
)


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
        raise typer.Exit(NO_OUTPUT) from None


def exit_status(error: TorcWatchError) -> int:
    return next((status for kind, status in _STATUS_OF if isinstance(error, kind)), HANDED_OVER)


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
