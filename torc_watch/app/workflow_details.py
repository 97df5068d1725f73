"""What `status`, `why`, `logs` and `history` say of one workflow, as lines."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from torc_watch.app.explained_failures import explain_failures, failures_text
from torc_watch.app.inspection import (
    Inspection,
    StoredWatch,
    budgets_seen,
    inspect_stored,
    past_watches,
    read_error_output,
    read_stored_watch,
)
from torc_watch.app.waiting_commands import waiting_commands
from torc_watch.config.settings import Settings
from torc_watch.core.errors import ServerUnreachable
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.status_file import find_view, read_status, utc_now
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.logs.log_reader import all_lines, is_about, sentences
from torc_watch.render.budget_text import budget_text
from torc_watch.render.history_text import history_text, rounds_text
from torc_watch.render.plan_text import notes_text, plan_text
from torc_watch.render.status_table import is_recovering, workflow_text
from torc_watch.render.workflow_report import live_text, missing_output_text, options_text

_MOST_LOG_LINES = 1000


async def status_lines(key: WorkflowKey, settings: Settings) -> Sequence[str]:
    """Of a workflow of the daemon; without the server's part where that does not answer.

    Raises JournalError, InvalidInput.
    """
    home = settings.home
    view, waiting = find_view(read_status(home), key), waiting_commands(home).get(key, ())
    record = read_stored_watch(home, key)
    lines = [*workflow_text(key, view, utc_now(), waiting), options_text(record.options)]
    lines += rounds_text(record.rounds)
    try:
        seen = await inspect_stored(key, record, settings)
    except ServerUnreachable as error:
        return [*lines, "", str(error)]
    lines += budget_text(budgets_seen(seen, record, settings))
    return [*lines, *live_lines(seen, record, settings, view)]


def live_lines(
    seen: Inspection, record: StoredWatch, settings: Settings, view: WorkflowView | None
) -> list[str]:
    """What the server says now: the jobs, what failed jobs have written, and the next round."""
    written = read_error_output(seen, record, settings)
    lines = ["", *live_text(seen.counts, seen.observation.allocations, seen.findings, written.jobs)]
    lines += missing_output_text(written.jobs, written.folders)
    if is_recovering(view):
        return [*lines, "A round of recovery is in progress.", *notes_text(seen.all_notes)]
    number = seen.observation.workflow.id
    return [*lines, *plan_text(number, seen.answer, seen.all_notes, of_watch=seen.of_watch)]


async def why_lines(key: WorkflowKey, settings: Settings) -> Sequence[str]:
    """Raises ServerUnreachable, InvalidInput, JournalError."""
    found = await explain_failures(key.workflow_id, None, key.server, settings)
    return failures_text(key.workflow_id, found)


def history_lines(key: WorkflowKey, home: Path) -> Sequence[str]:
    """Raises InvalidInput where there is none, and JournalError."""
    return list(history_text(past_watches(home, key.workflow_id, key.server)))


def log_lines(key: WorkflowKey, home: Path) -> Sequence[str]:
    """The last ones about it. Raises JournalError."""
    about = (line for line in all_lines(home / "daemon.log") if is_about(line, key.workflow_id))
    last = deque((text for line in about for text in sentences(line)), maxlen=_MOST_LOG_LINES)
    return list(last) or [f"The daemon has logged nothing about workflow {key.workflow_id} yet."]
