"""Starts the command line, after what can be said before it is loaded.

Its parser takes longer to load than the daemon's workflows take to be shown, and people look at
them many times a day. Whatever is unusual here is left to the command, which says what it is.
"""

import sys
from io import TextIOWrapper

from torc_watch.config.sources import home
from torc_watch.core.errors import TorcWatchError
from torc_watch.daemon.status_file import read_status, utc_now
from torc_watch.render.daemon_notices import notices
from torc_watch.render.status_table import table, terminal_width

_INTERRUPTED = 130  # the command line's own


def main() -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has not all letters shows others
    try:
        if _is_done(sys.argv[1:]):
            return
    except KeyboardInterrupt:
        _say(["torc-watchd: interrupted."])
        sys.exit(_INTERRUPTED)
    from torc_watch.cli import main as command_line  # noqa: PLC0415 - it takes so long

    command_line()


def _is_done(words: list[str]) -> bool:
    """Otherwise the command line is to go on, and finds in its options from where."""
    return words == ["list"] and _list()


def _list() -> bool:
    """Whether that is done."""
    try:
        folder = home()
        daemon = read_status(folder)
    except TorcWatchError:
        return False
    now = utc_now()
    views = daemon.workflows if daemon else ()
    return _say(notices(folder, daemon, now), *table(views, now, terminal_width()))


def _say(notes: list[str], *lines: str) -> bool:
    try:
        for note in notes:
            print(note, file=sys.stderr)  # noqa: T201
        if lines:
            print("\n".join(lines), flush=True)  # noqa: T201
    except OSError:  # of a pipe that was closed, or a full disk
        return False
    return True


if __name__ == "__main__":
    main()
