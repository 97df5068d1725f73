"""The whole program: a command line, and an exit status also for what no command expects."""

import sys
import traceback
from collections.abc import Callable

from torc_watch.cli import app
from torc_watch.cli.exit_status import CRASHED, NO_OUTPUT, discard_stdout, without_output
from torc_watch.cli.standard_output import (
    OutputFailed,
    occupy_standard_numbers,
    standard_output,
)
from torc_watch.host.unused_modules import hide_unused_modules


def main() -> None:
    occupy_standard_numbers()
    sys.stdout, has_lost_reader = standard_output()
    hide_unused_modules()  # before a command is imported
    try:
        _run(has_lost_reader)
    except OutputFailed as error:  # of --help, which is printed before a command is known
        sys.exit(without_output(error))
    except Exception:  # noqa: BLE001 - Python's own status for it, 1, means another thing here
        traceback.print_exc()
        sys.exit(CRASHED)


def _run(has_lost_reader: Callable[[], bool]) -> None:
    """Ends with SystemExit. Raises OutputFailed."""
    output = sys.stdout  # typer may replace it
    try:
        app()
    except SystemExit:
        try:
            output.flush()  # else Python does that later, and complains
        except BrokenPipeError:
            discard_stdout()
        if has_lost_reader():
            sys.exit(NO_OUTPUT)
        raise
