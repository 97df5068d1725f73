"""The workflows of the daemon: a table that fits a terminal, a sentence, values for scripts."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.status_file import absence, ago, until
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView
from torc_watch.render.terminal_text import columns, cut, printable

_FAILURES = ("failed", "terminated", "pending_failed")
_DONE = ("completed", "disabled")
_NOTHING = "No workflow is looked after. Add one with: torc-watchd add ID"
_PHASES = list(Phase)
_GAP = "  "
_HEAD = ("ID", "NAME", "SERVER", "STATE", "DONE", "FAILED", "ROUND", "NEXT", "LAST")
_SERVER, _OPTIONAL = 2, (1, 6, 7)  # columns that are left out where they say nothing
_LONGEST_REASON = 300
_SHORTEST_NAME, _LONGEST_NAME = 12, 100


def table(views: Sequence[WorkflowView], now: datetime, width: int = 0) -> Iterator[str]:
    """Lines of at most ``width`` columns, or as wide as they are for 0.

    Names have a quarter of the width; else only the last column is ever cut.
    """
    if not views:
        yield _NOTHING
        return
    longest_name = max(_SHORTEST_NAME, width // 4) if width else _LONGEST_NAME
    rows = [_row(view, now, longest_name) for view in sorted(views, key=_order)]
    cells = list(zip(_HEAD, *rows, strict=True))
    shown = [column for column, said in enumerate(cells) if _says_something(column, said[1:])]
    widths = [max(map(columns, cells[column])) for column in shown]
    for row in (_HEAD, *rows):
        padded = [
            row[column] + " " * (room - columns(row[column]))
            for column, room in zip(shown, widths, strict=True)
        ]
        padded[0] = row[0].rjust(widths[0])
        line = _GAP.join(padded).rstrip()
        yield cut(line, width).rstrip() if width else line


def terminal_width() -> int:
    """Columns of the terminal; 0 where nothing limits a line, as in a pipe."""
    return shutil.get_terminal_size((0, 0)).columns


def _says_something(column: int, cells: Sequence[str]) -> bool:
    if column == _SERVER:
        return len(set(cells)) > 1
    return column not in _OPTIONAL or any(cells)


def _row(view: WorkflowView, now: datetime, longest_name: int) -> tuple[str, ...]:
    return (
        str(view.workflow_id),
        _shortened(printable(view.name), longest_name),
        host(view.server),
        state(view),
        progress(view),
        failures(view),
        rounds(view),
        until(view.next_look, now) if view.next_look else "",
        _last(view, now),
    )


def _shortened(name: str, width: int) -> str:
    return name if columns(name) <= width else f"{cut(name, width - 1)}…"


def _order(view: WorkflowView) -> tuple[str, int]:
    return view.server, view.workflow_id


def host(server: str) -> str:
    """What tells one server from another in a table."""
    return printable(urlsplit(server).netloc)


def state(view: WorkflowView) -> str:
    return view.verdict.replace("_", " ") if view.phase is Phase.ENDED else view.phase.value


def progress(view: WorkflowView) -> str:
    """Jobs that are done, of all: ``95/100``; empty before they were counted."""
    if view.counts is None:
        return ""
    done = sum(view.counts.get(status, 0) for status in _DONE)
    return f"{done}/{sum(view.counts.values())}"


def failures(view: WorkflowView) -> str:
    if view.counts is None:
        return ""
    return str(sum(view.counts.get(status, 0) for status in _FAILURES))


def rounds(view: WorkflowView) -> str:
    """Rounds of recovery, of those that are allowed: ``1/3``; empty where none is."""
    return "" if view.max_retries is None else f"{view.round}/{view.max_retries}"


def known_text(key: WorkflowKey, view: WorkflowView | None, now: datetime) -> Iterator[str]:
    """One workflow in words; ``view`` is None before a daemon has taken it in."""
    server, workflow_id = key
    name = f" ({printable(view.name)})" if view and view.name else ""
    yield f"Workflow {workflow_id}{name} on {server}"
    if view is None:
        yield "It was added, and is looked after as soon as a daemon runs."
        return
    facts = [state(view)]
    if view.counts is not None:
        facts.append(f"{progress(view)} jobs done, {failures(view)} failed")
    if rounds(view):
        facts.append(f"round {rounds(view)}")
    if view.next_look:
        facts.append(f"next look {until(view.next_look, now)}")
    yield ", ".join(facts)
    if view.last_event:
        yield f"Last event: {view.last_event}, {ago(view.last_event_at, now)}"
    if view.reason:
        yield printable(view.reason, _LONGEST_REASON)
    yield from _advice(view)


def _advice(view: WorkflowView) -> Iterator[str]:
    """What a person may do now, who has to do something."""
    if view.phase is Phase.PAUSED:
        yield f"Go on with: torc-watchd resume {view.workflow_id}"
    if view.phase is Phase.RESTING:
        yield "Nothing runs it now. Whether that is for good is decided at the next look."
    if view.phase is not Phase.ENDED or view.verdict == "succeeded":
        return
    if failures(view) != "0":
        yield f"What its failed jobs said last: torc-watchd logs {view.workflow_id}"
    if view.max_retries is None and view.verdict in ("failed", "stuck"):
        server = printable(view.server, _LONGEST_REASON)  # the id may be another's on others
        order = f"torc-watchd add {view.workflow_id} --auto-recover --url {server}"
        yield f"To have it recovered: {order}"
    else:
        yield f"To begin anew, with all its retries: torc-watchd resume {view.workflow_id}"


def sentence(views: Sequence[WorkflowView], now: datetime) -> str:
    """All of them in one: ``3 workflows: 2 watching, 1 succeeded; next look in 14 s``."""
    if not views:
        return _NOTHING
    kinds = Counter((_PHASES.index(view.phase), state(view)) for view in views)
    words = ", ".join(f"{number} {word}" for (_, word), number in sorted(kinds.items()))
    looks = [view.next_look for view in views if view.next_look]
    next_look = f"; next look {until(min(looks), now)}" if looks else ""
    return f"{len(views)} workflow{'s' * (len(views) > 1)}: {words}{next_look}"


def _last(view: WorkflowView, now: datetime) -> str:
    """How it ended is told by its state."""
    event = "" if view.phase is Phase.ENDED else view.last_event
    when = ago(view.last_event_at, now) if view.last_event else ""
    return ": ".join(filter(None, (f"{event} {when}".strip(), printable(view.reason))))


def values(view: DaemonView | None, now: datetime) -> dict[str, Any]:
    """The same for scripts; ``trouble`` is empty while a daemon is at work."""
    shown = asdict(view) if view else {"holder": None, "at": None, "workflows": []}
    return {"trouble": absence(view, now), **shown}
