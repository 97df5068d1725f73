"""Whether workflows exist, for whoever cannot wait long for the answer."""

from collections.abc import Iterable

import anyio

from torc_watch.core.errors import NotFound, ServerUnreachable
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport


async def missing_workflows(
    workflow_ids: Iterable[int], connection: Connection, seconds: float
) -> set[int]:
    """Those that the server surely does not have; it is asked for ``seconds`` at most.

    Raises ServerError when it does not answer as it should.
    """
    missing = set()
    with anyio.move_on_after(seconds):
        async with Transport(connection, attempts=1) as transport:
            client = await TorcClient.connect(transport)
            for workflow_id in workflow_ids:
                try:
                    await client.get_workflow(workflow_id)
                except NotFound:
                    missing.add(workflow_id)
            return missing
    if missing:
        return missing
    raise ServerUnreachable(f"{connection.url} does not answer within {seconds:g} s.")
