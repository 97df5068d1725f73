"""The workflows of the daemon as a table, as a summary, and as values for scripts."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView
from torc_watch.render.daemon_notices import daemon_notice
from torc_watch.render.terminal_text import columns, cut, printable
from torc_watch.render.time_text import ago, until

_FAILURES = ("failed", "terminated", "pending_failed")
_DONE = ("completed", "disabled")
_EMPTY = "No workflows are watched. Add one with: torc-watchd add ID"
_PHASES = list(Phase)
_GAP = "  "
_HEAD = ("ID", "NAME", "SERVER", "STATE", "DONE", "FAILED", "ROUND", "NEXT", "LAST")
_SERVER, _OPTIONAL = 2, (1, 6, 7)  # columns that are hidden when they are empty or all the same
_MAX_REASON = 300
_EVENTS = {  # the others: their names in the log, without the punctuation
    "order.followed": "command applied",
    "order.refused": "command refused",
    "watch.broke": "watch crashed",
    "watch.look_failed": "poll failed",
    "watch.look_held_up": "poll deferred",
    "watch.look_succeeded": "poll succeeded",
}
_MIN_NAME, _MAX_NAME = 12, 100


def table(views: Sequence[WorkflowView], now: datetime, width: int = 0) -> Iterator[str]:
    """Lines of at most ``width`` columns; 0 for lines of any width.

    Names get a quarter of the width; apart from them only the last column is cut.
    """
    if not views:
        yield _EMPTY
        return
    max_name = max(_MIN_NAME, width // 4) if width else _MAX_NAME
    rows = [_row(view, now, max_name) for view in sorted(views, key=lambda view: view.key)]
    cells = list(zip(_HEAD, *rows, strict=True))
    shown = [column for column, texts in enumerate(cells) if _is_shown(column, texts[1:])]
    widths = [max(map(columns, cells[column])) for column in shown]
    for row in (_HEAD, *rows):
        padded = [
            row[column] + " " * (space - columns(row[column]))
            for column, space in zip(shown, widths, strict=True)
        ]
        padded[0] = row[0].rjust(widths[0])
        line = _GAP.join(padded).rstrip()
        yield cut(line, width).rstrip() if width else line


def terminal_width() -> int:
    """Columns of the terminal; 0 if there is no terminal, as in a pipe."""
    return shutil.get_terminal_size((0, 0)).columns


def _is_shown(column: int, cells: Sequence[str]) -> bool:
    if column == _SERVER:
        return len(set(cells)) > 1
    return column not in _OPTIONAL or any(cells)


def _row(view: WorkflowView, now: datetime, max_name: int) -> tuple[str, ...]:
    return (
        str(view.workflow_id),
        _shortened(printable(view.name), max_name),
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


def host(server: str) -> str:
    """The part of a server's URL that identifies it in a table."""
    return printable(urlsplit(server).netloc)


def state(view: WorkflowView) -> str:
    return view.verdict.replace("_", " ") if view.phase is Phase.ENDED else view.phase.value


def progress(view: WorkflowView) -> str:
    """Finished jobs of all jobs: ``95/100``; empty before they were counted."""
    if view.counts is None:
        return ""
    done = sum(view.counts.get(status, 0) for status in _DONE)
    return f"{done}/{sum(view.counts.values())}"


def failures(view: WorkflowView) -> str:
    if view.counts is None:
        return ""
    return str(sum(view.counts.get(status, 0) for status in _FAILURES))


def rounds(view: WorkflowView) -> str:
    """Rounds of recovery of those allowed: ``1/3``; empty if recovery is disabled."""
    return "" if view.max_retries is None else f"{view.round}/{view.max_retries}"


def workflow_text(key: WorkflowKey, view: WorkflowView | None, now: datetime) -> Iterator[str]:
    """One workflow; ``view`` is None before a daemon has started to watch it."""
    server, workflow_id = key
    name = f" ({printable(view.name)})" if view and view.name else ""
    yield f"Workflow {workflow_id}{name} on {server}"
    if view is None:
        yield "It was added. A daemon will watch it as soon as one runs."
        return
    facts = [state(view)]
    if view.counts is not None:
        facts.append(f"{progress(view)} jobs done, {failures(view)} failed")
    if rounds(view):
        facts.append(f"round {rounds(view)}")
    if view.next_look:
        facts.append(f"next poll {until(view.next_look, now)}")
    yield ", ".join(facts)
    if view.last_event:
        yield f"Last event: {_event(view)}, {ago(view.last_event_at, now)}"
    if view.reason:
        yield printable(view.reason, _MAX_REASON)
    yield from _advice(view)


def _advice(view: WorkflowView) -> Iterator[str]:
    """What the user can do now."""
    if view.phase is Phase.PAUSED:
        yield f"Resume it with: torc-watchd resume {view.workflow_id}"
    if view.phase is Phase.RESTING:
        yield "It has no workers now. The next poll decides whether it is stuck."
    if view.phase is not Phase.ENDED or view.verdict == "succeeded":
        return
    if failures(view) != "0":
        yield f"Last error lines of its failed jobs: torc-watchd logs {view.workflow_id}"
    if view.max_retries is None and view.verdict in ("failed", "stuck"):
        server = printable(view.server, _MAX_REASON)  # other servers may have this ID, too
        command = f"torc-watchd add {view.workflow_id} --auto-recover --url {server}"
        yield f"Enable recovery with: {command}"
    else:
        yield f"Start a new watch, with all its retries: torc-watchd resume {view.workflow_id}"


def summary(views: Sequence[WorkflowView], now: datetime) -> str:
    """One line for all: ``3 workflows: 2 watching, 1 succeeded; next poll in 14 s``."""
    if not views:
        return _EMPTY
    kinds = Counter((_PHASES.index(view.phase), state(view)) for view in views)
    words = ", ".join(f"{number} {word}" for (_, word), number in sorted(kinds.items()))
    polls = [view.next_look for view in views if view.next_look]
    next_poll = f"; next poll {until(min(polls), now)}" if polls else ""
    return f"{len(views)} workflow{'s' * (len(views) > 1)}: {words}{next_poll}"


def _last(view: WorkflowView, now: datetime) -> str:
    """The last event; not of an ended watch, whose state says how it ended."""
    event = "" if view.phase is Phase.ENDED else _event(view)
    when = ago(view.last_event_at, now) if view.last_event else ""
    return ": ".join(filter(None, (f"{event} {when}".strip(), printable(view.reason))))


def _event(view: WorkflowView) -> str:
    return _EVENTS.get(view.last_event, view.last_event.replace(".", " ").replace("_", " "))


def status_values(view: DaemonView | None, now: datetime, trouble: str) -> dict[str, Any]:
    """The same for scripts; ``trouble`` is empty while a daemon is active."""
    values = asdict(view) if view else {"holder": None, "at": None, "workflows": []}
    return {"trouble": daemon_notice(view, now, trouble), **values}
