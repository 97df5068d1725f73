"""The selected workflow in a few lines under the table."""

from collections.abc import Iterator
from datetime import datetime

from torc_watch.live_view.glyphs import Glyphs, shown
from torc_watch.live_view.live_row import LiveRow, allocations_text
from torc_watch.render.status_table import host, workflow_text

_MAX_LINE = 500


def panel_lines(row: LiveRow | None, now: datetime, glyphs: Glyphs) -> Iterator[str]:
    """What the daemon has published, with what queued allocations wait for."""
    if row is None:
        return
    _, facts, *more = workflow_text(row.key, row.view, now, row.waiting)
    name = f" ({row.view.name})" if row.view and row.view.name else ""
    title = f"Workflow {row.key.workflow_id}{name} on {host(row.key.server)}"
    allocations = allocations_text(row.view.allocations) if row.view else ""
    waits = [f"Allocations: {allocations}"] if allocations else []
    for line in (title, facts, *waits, *more):
        yield shown(line, glyphs, _MAX_LINE)
