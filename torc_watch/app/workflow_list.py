"""The workflows of a server, with the number of their jobs."""

from dataclasses import dataclass
from functools import partial

from torc_watch.app.composition import open_client
from torc_watch.core.errors import NotFound
from torc_watch.core.model import JobCounts, Workflow
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather
from torc_watch.torc.transport import Connection

_COUNTED = 100  # workflows: each takes a request, and on 0.12 one for each status


@dataclass(frozen=True, slots=True)
class ListedWorkflow:
    """``counts`` is None for old workflows of a server that has many."""

    workflow: Workflow
    counts: JobCounts | None


async def list_workflows(connection: Connection) -> list[ListedWorkflow]:
    """By ID; the last hundred with their counts. Raises ServerError."""
    async with open_client(connection) as client:
        return await count_workflows(client, last=_COUNTED)


async def count_workflows(client: TorcClient, last: int) -> list[ListedWorkflow]:
    """All by ID, with the counts of the ``last`` ones."""
    found = sorted(await client.list_workflows(), key=lambda workflow: workflow.id)
    counts = await gather([partial(_counts, client, each.id) for each in found[-last:]])
    uncounted = [None] * (len(found) - len(counts))
    return [
        ListedWorkflow(workflow, number)
        for workflow, number in zip(found, [*uncounted, *counts], strict=True)
    ]


async def _counts(client: TorcClient, workflow_id: int) -> JobCounts | None:
    try:
        return await client.count_jobs(workflow_id)
    except NotFound:  # deleted after it was listed
        return None
