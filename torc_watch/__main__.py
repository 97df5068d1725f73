"""Starts the command line, after what can be said before it is loaded.

Its parser takes longer to load than the daemon's workflows take to be shown, and people look at
them many times a day. Whatever is unusual here is left to the command, which says what it is.
"""

import sys

from torc_watch.configuration import home
from torc_watch.core.errors import TorcWatchError
from torc_watch.interfaces.listing import known_text, table, terminal_width
from torc_watch.interfaces.published import notices, read_published, utc_now


def main() -> None:
    match sys.argv[1:]:
        case ["list"] if _list():
            return
        case ["status", number] if number.isdecimal() and _begin_status(int(number)):
            sys.argv.append("--rest")
    from torc_watch.cli import main as command_line  # noqa: PLC0415 - it takes so long

    command_line()


def _list() -> bool:
    """Whether that is done."""
    try:
        folder = home()
        daemon = read_published(folder)
    except TorcWatchError:
        return False
    now = utc_now()
    views = daemon.workflows if daemon else ()
    return _say(notices(folder, daemon, now), *table(views, now, terminal_width()))


def _begin_status(workflow_id: int) -> bool:
    """Whether what the daemon knows of it is shown, which is the first part."""
    try:
        folder = home()
        daemon = read_published(folder)
    except TorcWatchError:
        return False
    views = [view for view in daemon.workflows if view.workflow_id == workflow_id] if daemon else []
    if len(views) != 1:
        return False
    now = utc_now()
    key = (views[0].server, workflow_id)
    return _say(notices(folder, daemon, now), *known_text(key, views[0], now))


def _say(notes: list[str], *lines: str) -> bool:
    try:
        for note in notes:
            print(note, file=sys.stderr)  # noqa: T201
        print("\n".join(lines), flush=True)  # noqa: T201
    except OSError:  # of a pipe that was closed, or a full disk
        return False
    return True


if __name__ == "__main__":
    main()
