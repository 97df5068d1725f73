"""What users should know about the daemon before they read anything else: quick to import."""

from datetime import datetime, timedelta
from pathlib import Path

from torc_watch.daemon.status_file import holder_liveness, is_active
from torc_watch.daemon.workflow_view import DaemonView
from torc_watch.host.processes import Liveness
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import ago, duration

_MAX_TROUBLE = 2000
HOW_TO_START = "Start it with: torc-watchd service install, or in a terminal: torc-watchd run"


def daemon_notice(view: DaemonView | None, now: datetime, trouble: str) -> str:
    """What keeps the daemon from its work; ``trouble`` is what it says itself, or empty."""
    if trouble:
        return f"The daemon reports: {printable(trouble, _MAX_TROUBLE)}"
    return inactivity_notice(view, now)


def inactivity_notice(view: DaemonView | None, now: datetime) -> str:
    """Why no daemon seems to be active, and what to do; empty while one is."""
    if is_active(view, now):
        return ""
    if view is None:
        return f"The daemon has never run. {HOW_TO_START}"
    state = holder_liveness(view)
    if state is Liveness.GONE:
        return f"The daemon is not running. Last update: {ago(view.at, now)}. {HOW_TO_START}"
    host = printable(view.holder.host)
    silence = now - datetime.fromisoformat(view.at)
    if silence < timedelta():
        return (
            f"The daemon on {host} last reported {duration(-silence)} in the future (clock skew?); "
            "cannot tell whether it is running."
        )
    if state is Liveness.ALIVE:
        return (
            f"The daemon is running, but has not updated its status for {duration(silence)}. Check "
            "that the state folder has free space, and the daemon's log: torc-watchd logs"
        )
    return (
        f"The daemon on {host} last reported {ago(view.at, now)}. "
        "A daemon on standby will take over, if there is one."
    )


def notices(home: Path, view: DaemonView | None, now: datetime, trouble: str = "") -> list[str]:
    """Whether the daemon is inactive, how many commands wait for it, and what it rejected."""
    shown = []
    if notice := daemon_notice(view, now, trouble):
        shown.append(f"{_pending(home / 'spool' / 'incoming')}{notice}")
    rejected = home / "spool" / "rejected"
    if number := _number_of_files(rejected):
        files, them = ("file", "it") if number == 1 else ("files", "them")
        shown.append(f"{number} invalid command {files} in {rejected}; inspect and delete {them}.")
    return shown


def _pending(incoming: Path) -> str:
    number = _number_of_files(incoming)
    if not number:
        return ""
    return f"{number} {'command is' if number == 1 else 'commands are'} waiting for the daemon. "


def _number_of_files(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0
