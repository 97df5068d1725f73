"""Several watches under one supervisor, as the daemon has them."""

from collections.abc import Iterable
from functools import partial

import anyio

from torc_watch.core.events import WatchEnded
from torc_watch.engine.messages import EngineContext, WatchRequest
from torc_watch.engine.supervisor import isolate_crashes, open_supervisor


async def watch_all(
    requests: Iterable[WatchRequest], context: EngineContext
) -> dict[int, WatchEnded]:
    """Watches every workflow to its end; the verdicts by workflow id. Raises what ends them all."""
    verdicts: dict[int, WatchEnded] = {}
    async with open_supervisor(context) as supervisor, anyio.create_task_group() as watches:

        async def watch(request: WatchRequest) -> None:
            attempt = partial(supervisor.watch, request)
            ended = await isolate_crashes(request.workflow_id, attempt, context.report)
            context.report(ended)
            verdicts[request.workflow_id] = ended

        for request in requests:
            watches.start_soon(watch, request)
    return verdicts
