"""A round that waits until jobs may run again: meanwhile the server is only polled."""

from datetime import datetime

from torc_watch.core.model import JobCounts
from torc_watch.core.recovery_round import Postponement
from torc_watch.engine.messages import EngineContext, KeepWatching, PollResult, WatchRequest

_SHORTEST = 1.0  # seconds: what is left may be too little to measure


def keep_waiting(request: WatchRequest, postponement: Postponement, now: datetime) -> KeepWatching:
    """Until the round may be planned, or until it is worth while to ask for room again."""
    left = (postponement.not_before - now).total_seconds()
    grace = max(left, _SHORTEST) if left > 0 else request.poll_interval
    return KeepWatching(grace, postponement)


async def still_postponed(
    context: EngineContext, poll: PollResult, counts: JobCounts
) -> KeepWatching | None:
    """None where no round waits, or it is time to plan it, or the workflow changed."""
    watch, workflow = poll.watch, poll.observation.workflow
    kept, watch.postponed = watch.postponed, None
    if kept is None or kept.run_id != workflow.run_id or kept.counts.differ_from(counts):
        return None
    now, postponement = context.clock(), kept.postponement
    if now >= postponement.not_before:
        if not postponement.awaits_room or now >= postponement.until:
            return None
        if await context.has_room(watch.request.output_dir, workflow.submission_directory):
            return None
    watch.postponed = kept
    return keep_waiting(watch.request, postponement, now)
