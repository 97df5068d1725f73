"""The rows of the server in the evidence pack, as Torc has them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anyio.lowlevel import checkpoint

from torc_watch.app.pack import Pack
from torc_watch.core.handover import room_of_rows
from torc_watch.core.model import JobStatus
from torc_watch.torc.client import TorcClient

# First the ones that matter most.
_FAILED = (JobStatus.FAILED, JobStatus.TERMINATED, JobStatus.PENDING_FAILED)
_LISTS: tuple[tuple[str, str, dict[str, str], str], ...] = (
    ("results", "/results", {"all_runs": "true"}, "how each attempt ended"),
    ("requirements", "/resource_requirements", {}, "what jobs ask for"),
    ("allocations", "/scheduled_compute_nodes", {}, "allocations as Torc registers them"),
    ("compute_nodes", "/compute_nodes", {}, "workers as Torc registers them"),
    ("slurm_schedulers", "/slurm_schedulers", {}, "what allocations are asked for"),
)
_ROWS_AT_ONCE = 500


async def add_rows(pack: Pack, client: TorcClient, workflow_id: int) -> None:
    """Raises ServerError and OSError."""
    workflow = await client.raw_workflow(workflow_id)
    pack.add("rows/workflow.json", _line(pack, workflow) + "\n", "the workflow")
    room = room_of_rows(pack.room)
    await _add_jobs(pack, client, workflow_id, room)
    for name, path, filters, about in _LISTS:
        rows, total = await client.newest_rows(path, workflow_id, **filters)
        await _add_list(pack, name, rows, total, about, room)


async def _add_jobs(pack: Pack, client: TorcClient, workflow_id: int, room: int) -> None:
    """Failed ones are asked for by themselves: of many jobs they need not be among the newest."""
    rows: dict[int, Mapping[str, Any]] = {}
    total = 0
    for status in (*_FAILED, None):
        found, total = await client.newest_rows("/jobs", workflow_id, status=status)
        for row in found:
            rows.setdefault(row["id"], row)
    await _add_list(pack, "jobs", rows.values(), total, "the jobs, failed ones first", room)


async def _add_list(
    pack: Pack, name: str, rows: Iterable[Any], total: int, about: str, room: int
) -> None:
    lines: list[str] = []
    used = 0
    for index, row in enumerate(rows):
        line = _line(pack, row)
        used += len(line.encode()) + 2
        if used > min(room, pack.room):
            break
        lines.append(line)
        if index % _ROWS_AT_ONCE == 0:
            await checkpoint()
    note = "" if len(lines) >= total else f"{len(lines)} of {total} rows"
    pack.add(f"rows/{name}.json", "".join(_array(lines)), about, note)


def _array(lines: Iterable[str]) -> Iterator[str]:
    yield "[\n"
    for index, line in enumerate(lines):
        yield f"{',' if index else ''}{line}\n"
    yield "]\n"


def _line(pack: Pack, row: Any) -> str:
    return json.dumps(pack.redactor.values(row), ensure_ascii=False)
