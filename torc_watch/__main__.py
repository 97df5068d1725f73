"""The entry point of torc-watchd."""

import sys
from io import TextIOWrapper

from torc_watch.cli import app


def main() -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a letter shows another
    # Before a command imports httpx, which would load its own command line, and for that rich:
    # 5 MiB, and 0.07 s of every command.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    app()


if __name__ == "__main__":
    main()
