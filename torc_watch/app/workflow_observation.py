"""A workflow's state as server and schedulers say it now, without a search for causes."""

from torc_watch.app.composition import open_client, open_cluster, unknown_id_refused
from torc_watch.config.settings import Settings
from torc_watch.core.assessment import Observation
from torc_watch.engine.workers import observe
from torc_watch.torc.transport import Connection


async def observe_now(workflow_id: int, settings: Settings, connection: Connection) -> Observation:
    """With counts. Raises SchedulerError, ServerError, InvalidInput for an unknown workflow."""
    cluster = open_cluster(settings)
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            return await observe(client, cluster, workflow_id, with_counts=True, max_age=0)
