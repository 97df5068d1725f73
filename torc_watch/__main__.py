"""The entry point of torc-watchd."""

import sys
from io import TextIOWrapper

from torc_watch.cli import app
from torc_watch.host.unused_modules import hide_unused_modules


def main() -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a letter shows another
    hide_unused_modules()  # before a command is imported
    app()


if __name__ == "__main__":
    main()
