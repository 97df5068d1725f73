"""The whole program: a command line, and an exit status also for what no command expects."""

import sys
import traceback

from torc_watch.cli import app
from torc_watch.cli.exit_status import CRASHED, without_output
from torc_watch.cli.standard_output import (
    OutputFailed,
    occupy_standard_numbers,
    standard_output,
)
from torc_watch.host.unused_modules import hide_unused_modules


def main() -> None:
    occupy_standard_numbers()
    sys.stdout = standard_output()
    hide_unused_modules()  # before a command is imported
    try:
        app()
    except OutputFailed as error:  # of --help, which is printed before a command is known
        sys.exit(without_output(error))
    except Exception:  # noqa: BLE001 - Python's own status for it, 1, means another thing here
        traceback.print_exc()
        sys.exit(CRASHED)
