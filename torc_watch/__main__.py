"""The entry point of torc-watchd."""

import sys

from torc_watch.cli import app
from torc_watch.cli.exit_status import without_output
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


if __name__ == "__main__":
    main()
