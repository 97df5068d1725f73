"""What the daemon has published, as readers on any login node find it: quick to import."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView
from torc_watch.host.processes import find_process
from torc_watch.render.terminal_text import printable

_SILENCE = timedelta(minutes=3)  # three times what may lie between two publications
HOW_TO_START = "Start it with: torc-watchd service install, or in a terminal: torc-watchd run"
_VIEW_FIELDS = {field.name for field in fields(WorkflowView)}


def read_published(home: Path) -> DaemonView | None:
    """None before any daemon published something. Raises JournalError."""
    path = home / "status.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return DaemonView(
            holder=Holder(**values["holder"]),
            at=values["at"],
            workflows=tuple(map(view_from, values["workflows"])),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {describe_os_error(error)}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise JournalError(
            f"{path} cannot be understood. It was written by another version of torc-watch: "
            "use the same on all login nodes."
        ) from error


def view_from(values: Mapping[str, Any]) -> WorkflowView:
    """What a newer daemon knows besides is left out."""
    known = {name: value for name, value in values.items() if name in _VIEW_FIELDS}
    return WorkflowView(**known | {"phase": Phase(known["phase"])})


def view_of(daemon: DaemonView | None, key: WorkflowKey) -> WorkflowView | None:
    views = daemon.workflows if daemon else ()
    return next((view for view in views if (view.server, view.workflow_id) == key), None)


def is_at_work(view: DaemonView | None, now: datetime) -> bool:
    """Whether a daemon published this a moment ago, and has not ended since."""
    return (
        view is not None
        and abs(now - datetime.fromisoformat(view.at)) <= _SILENCE
        and not is_gone(view.holder)
    )


def absence(view: DaemonView | None, now: datetime) -> str:
    """A sentence when no daemon seems to be at work, with what to do; else an empty text."""
    if is_at_work(view, now):
        return ""
    if view is None:
        return f"The daemon has not run yet. {HOW_TO_START}"
    if is_gone(view.holder):
        return f"The daemon does not run: this is how it was {ago(view.at, now)}. {HOW_TO_START}"
    host = printable(view.holder.host)
    ahead = datetime.fromisoformat(view.at) - now
    if ahead > timedelta():
        return (
            f"The daemon on {host} was last heard of at a time that comes in {duration(ahead)} by "
            "the clock here, which was set back or differs: whether it lives cannot be told."
        )
    if _is_here(view.holder):
        return (
            f"The daemon runs, but has shown nothing for {duration(-ahead)}. Look whether the "
            "state folder has room, and what the daemon says: torc-watchd logs"
        )
    return (
        f"The daemon on {host} was last heard of {ago(view.at, now)}. "
        "Another takes over wherever one runs."
    )


def notices(home: Path, view: DaemonView | None, now: datetime) -> list[str]:
    """What a person should know of the daemon and of the orders for it, before all else."""
    said = [absence(view, now)]
    if said[0] and (waiting := _number_of_files(home / "spool" / "incoming")):
        said[0] += f" {waiting} {'order waits' if waiting == 1 else 'orders wait'} for it."
    rejected = home / "spool" / "rejected"
    if number := _number_of_files(rejected):
        files = "1 file" if number == 1 else f"{number} files"
        said.append(f"{files} in {rejected} held no order. Look, and remove what is there.")
    return list(filter(None, said))


def _number_of_files(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0


def is_gone(holder: Holder) -> bool:
    """Whether it was a process of this machine and surely ended."""
    if not _is_here(holder):
        return False
    process = find_process(holder.pid)
    return process is None or process.is_dead or process.started != holder.started


def _is_here(holder: Holder) -> bool:
    """Whether it is a process of this machine, as far as its number means something to us."""
    return (holder.boot, holder.namespace) == _place()


def ago(moment: str, now: datetime) -> str:
    """How long ago a time was, ISO 8601: ``3 min ago``."""
    return f"{duration(now - datetime.fromisoformat(moment))} ago"


def until(moment: str, now: datetime) -> str:
    """When a time will come: ``in 40 s``; what is due is due ``now``."""
    left = datetime.fromisoformat(moment) - now
    return f"in {duration(left)}" if left >= timedelta(seconds=1) else "now"


def duration(span: timedelta) -> str:
    """In one unit, the largest of which there are two: 90 s, 3 min, 47 h."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def utc_now() -> datetime:
    return datetime.now(UTC)


def _place() -> tuple[str, str]:
    """Where a process's number means something: this boot of this machine, this namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, str(Path("/proc/self/ns/pid").readlink())
