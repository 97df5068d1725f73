"""The workflows of the daemon as a table, as a summary, and as values for scripts."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView
from torc_watch.render.colors import Color, painted
from torc_watch.render.daemon_notices import daemon_notice
from torc_watch.render.event_words import event_words
from torc_watch.render.terminal_text import columns, cut, printable
from torc_watch.render.time_text import ago, until, waits_until

_FAILURES = ("failed", "terminated", "pending_failed")
_DONE = ("completed", "disabled")
_EMPTY = "No workflows are watched. Add one with: torc-watchd add ID"
_PHASES = list(Phase)
_PHASE_COLORS = {
    Phase.RECOVERING: Color.YELLOW,
    Phase.WAITING: Color.YELLOW,
    Phase.PAUSED: Color.YELLOW,
}
_ADDED = "added"
_GAP = "  "
_HEAD = ("ID", "NAME", "SERVER", "STATE", "DONE", "FAILED", "ROUND", "NEXT", "LAST")
_SERVER, _STATE, _OPTIONAL = (
    2,
    3,
    (1, 6, 7),
)  # columns that are hidden when they are empty or all the same
_MAX_REASON = 300
_MIN_NAME, _MAX_NAME = 12, 100


Waiting = Mapping[WorkflowKey, Sequence[Action]]  # commands that no daemon has taken yet


def table(
    views: Sequence[WorkflowView],
    now: datetime,
    width: int = 0,
    waiting: Waiting | None = None,
    *,
    colored: bool = False,
) -> Iterator[str]:
    """Lines of at most ``width`` columns; 0 for lines of any width.

    Names get a quarter of the width; apart from them only the last column is cut.
    """
    waiting = waiting or {}
    if not views and not waiting:
        yield _EMPTY
        return
    max_name = max(_MIN_NAME, width // 4) if width else _MAX_NAME
    found: list[tuple[WorkflowKey, WorkflowView | None]] = [(view.key, view) for view in views]
    found += [(key, None) for key in waiting.keys() - {view.key for view in views}]
    found.sort(key=itemgetter(0))
    rows = [_row(key, view, waiting.get(key, ()), now, max_name) for key, view in found]
    cells = list(zip(_HEAD, *rows, strict=True))
    shown = [column for column, texts in enumerate(cells) if _is_shown(column, texts[1:])]
    widths = [max(map(columns, cells[column])) for column in shown]
    yield _line(_HEAD, shown, widths, width)
    for (_, view), row in zip(found, rows, strict=True):
        color = state_color(view) if colored and view else None
        yield _line(row, shown, widths, width, color)


def _line(
    row: Sequence[str],
    shown: Sequence[int],
    widths: Sequence[int],
    width: int,
    color: Color | None = None,
) -> str:
    """``color`` is that of the state."""
    padded = [
        row[column] + " " * (space - columns(row[column]))
        for column, space in zip(shown, widths, strict=True)
    ]
    padded[0] = row[0].rjust(widths[0])
    line = _GAP.join(padded).rstrip()
    line = cut(line, width).rstrip() if width else line
    start = len(_GAP.join([*padded[: shown.index(_STATE)], ""]))
    end = start + len(row[_STATE])
    return f"{line[:start]}{painted(line[start:end], color)}{line[end:]}"


def terminal_width() -> int:
    """Columns of the terminal; 0 if there is no terminal, as in a pipe."""
    return shutil.get_terminal_size((0, 0)).columns


def _is_shown(column: int, cells: Sequence[str]) -> bool:
    if column == _SERVER:
        return len(set(cells)) > 1
    return column not in _OPTIONAL or any(cells)


def _row(
    key: WorkflowKey,
    view: WorkflowView | None,
    waiting: Sequence[Action],
    now: datetime,
    max_name: int,
) -> tuple[str, ...]:
    waits = waiting_text(waiting)
    if view is None:
        return str(key.workflow_id), "", host(key.server), _ADDED, "", "", "", "", waits
    return (
        str(view.workflow_id),
        _shortened(printable(view.name), max_name),
        host(view.server),
        state(view),
        progress(view),
        failures(view),
        rounds(view),
        _next(view, now),
        "; ".join(filter(None, (waits, _last(view, now)))),
    )


def _next(view: WorkflowView, now: datetime) -> str:
    """When something happens next: jobs run again, or else the workflow is polled."""
    moment = view.waits_until or view.next_look
    return until(moment, now) if moment else ""


def waiting_text(actions: Sequence[Action]) -> str:
    """Which commands wait for the daemon; empty if there are none."""
    if not actions:
        return ""
    return f"{', '.join(actions)} {'waits' if len(actions) == 1 else 'wait'} for the daemon"


def watch_states(views: Sequence[WorkflowView], waiting: Waiting) -> dict[WorkflowKey, str]:
    """What the daemon does with each workflow, in a word or two."""
    return dict.fromkeys(waiting, _ADDED) | {view.key: state(view) for view in views}


def state_color(view: WorkflowView) -> Color | None:
    if view.phase is not Phase.ENDED:
        return _PHASE_COLORS.get(view.phase)
    return Color.GREEN if view.verdict == "succeeded" else Color.RED


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


def workflow_text(
    key: WorkflowKey,
    view: WorkflowView | None,
    now: datetime,
    waiting: Sequence[Action] = (),
    *,
    colored: bool = False,
) -> Iterator[str]:
    """One workflow; ``view`` is None before a daemon has started to watch it."""
    server, workflow_id = key
    name = f" ({printable(view.name)})" if view and view.name else ""
    yield f"Workflow {workflow_id}{name} on {server}"
    if view is None:
        yield "It was added. A daemon will watch it as soon as one runs."
        return
    facts = [painted(state(view), state_color(view)) if colored else state(view)]
    if view.counts is not None:
        facts.append(f"{progress(view)} jobs done, {failures(view)} failed")
    if rounds(view):
        facts.append(f"round {rounds(view)}")
    if view.next_look:
        facts.append(f"next poll {until(view.next_look, now)}")
    yield ", ".join(facts)
    if waiting:
        yield f"{waiting_text(waiting).capitalize()}."
    if view.last_event:
        yield f"Last event: {event_words(view.last_event)}, {ago(view.last_event_at, now)}"
    if view.reason:
        yield printable(_reason(view), _MAX_REASON)
    if view.in_place_off and view.phase is not Phase.ENDED:
        yield f"Failed jobs wait until no others run: {printable(view.in_place_off, _MAX_REASON)}."
    yield from _advice(view)


def is_recovering(view: WorkflowView | None) -> bool:
    return view is not None and view.phase is Phase.RECOVERING


def unwatched_text(key: WorkflowKey, name: str, url: str | None) -> Iterator[str]:
    """A workflow that is not in the daemon's list; ``url`` is that of the command, if any."""
    server, workflow_id = key
    option = f" --url {printable(url)}" if url else ""
    yield f"Workflow {workflow_id} ({printable(name)}) on {server}"
    yield f"The daemon does not watch it. To change that: torc-watchd add {workflow_id}{option}"


def _advice(view: WorkflowView) -> Iterator[str]:
    """What the user can do now."""
    if view.phase is Phase.PAUSED:
        yield f"Resume it with: torc-watchd resume {view.workflow_id}"
    if view.proposal:
        yield f"See it with: torc-watchd plan {view.workflow_id} --show"
    if view.phase is Phase.RESTING:
        yield "It has no workers now. If that lasts, for 45 s as a rule, it counts as stuck."
    if view.phase is not Phase.ENDED or view.verdict == "succeeded":
        return
    if failures(view) != "0":
        number = view.workflow_id
        yield f"What was done for it: torc-watchd history {number}, or: torc-watchd logs {number}"
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
    """The last event; not where the state, or what is waited for, says the same."""
    if view.waits_until or view.proposal:
        return printable(_reason(view))
    event = "" if view.phase is Phase.ENDED else event_words(view.last_event)
    when = ago(view.last_event_at, now) if view.last_event else ""
    return ": ".join(filter(None, (f"{event} {when}".strip(), printable(_reason(view)))))


def _reason(view: WorkflowView) -> str:
    if view.proposal:
        return f"waits {view.reason}; torc-watchd approve {view.workflow_id}"
    if not view.waits_until:
        return view.reason
    return f"waits {waits_until(datetime.fromisoformat(view.waits_until), view.reason)}"


def status_values(
    view: DaemonView | None, now: datetime, trouble: str, waiting: Waiting | None = None
) -> dict[str, Any]:
    """The same for scripts; ``trouble`` is empty while a daemon is active."""
    values = asdict(view) if view else {"holder": None, "at": None, "workflows": []}
    return {
        "trouble": daemon_notice(view, now, trouble),
        **values,
        "waiting": waiting_values(waiting or {}),
    }


def waiting_values(waiting: Waiting) -> list[dict[str, Any]]:
    return [
        {"server": key.server, "workflow_id": key.workflow_id, "actions": list(waiting[key])}
        for key in sorted(waiting)
    ]
