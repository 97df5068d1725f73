"""Ends an allocation because a user wants it."""

from torc_watch.app.composition import open_cluster
from torc_watch.config.settings import Settings
from torc_watch.core.model import Allocation


async def cancel_allocation(allocation: Allocation, settings: Settings) -> None:
    """Raises SchedulerError."""
    await open_cluster(settings).cancel(allocation)
