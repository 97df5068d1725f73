"""The jobs of a workflow as a bar that is readable without color."""

from collections.abc import Mapping

from torc_watch.live_view.glyphs import Glyphs

_DONE = ("completed", "disabled")
_RUNNING = ("running", "pending")
_FAILED = ("failed", "terminated", "pending_failed", "canceled")


def progress_bar(counts: Mapping[str, int] | None, width: int, glyphs: Glyphs) -> str:
    """Done, running, left and failed jobs, in this order, each as its share of ``width``.

    What there is at all has at least one character where there is room for it, and only a workflow
    whose jobs are all done has a full bar. Empty before the jobs were counted.
    """
    total = sum(counts.values()) if counts else 0
    if not counts or not total or width < 1:
        return ""
    done, running, failed = (_of(counts, kind) for kind in (_DONE, _RUNNING, _FAILED))
    left = total - done - running - failed
    cells = _shares((done, running, left, failed), total, width)
    kinds = (glyphs.done, glyphs.running, glyphs.left, glyphs.failed)
    return "".join(kind * number for kind, number in zip(kinds, cells, strict=True))


def _of(counts: Mapping[str, int], statuses: tuple[str, ...]) -> int:
    return sum(counts.get(status, 0) for status in statuses)


def _shares(parts: tuple[int, ...], total: int, width: int) -> list[int]:
    """Characters of each part; together ``width``."""
    cells = [max(part * width // total, min(1, part)) for part in parts]
    while (missing := width - sum(cells)) != 0:
        if missing > 0:
            cells[parts.index(max(parts))] += missing
        else:
            cells[cells.index(max(cells))] -= 1
    return cells
