"""Isolates crashes: an unexpected exception in one watch is retried twice, then the workflow is
handed over. It ends no other watch.

Expected errors pass. A journal that cannot be used ends all watches, since nothing may be changed
without it.
"""

import traceback
from collections.abc import Awaitable, Callable

import anyio

from torc_watch.core import polling
from torc_watch.core.errors import (
    InvalidInput,
    JournalError,
    LeaseLost,
    RecordUnreadable,
    SchedulerError,
    ServerError,
    WatchHeld,
)
from torc_watch.core.events import Event, Verdict, WatchCrashed, WatchEnded

_ATTEMPTS = 3
_EXPECTED = (
    ServerError,
    SchedulerError,
    WatchHeld,
    InvalidInput,
    RecordUnreadable,
    JournalError,
    LeaseLost,
    BrokenPipeError,  # the reader of the reports is gone
)


async def isolate_crashes(
    workflow_id: int, watch: Callable[[], Awaitable[WatchEnded]], report: Callable[[Event], None]
) -> WatchEnded:
    """The verdict of ``watch``, which is called again after a crash. Raises expected errors."""
    crash: Exception
    for attempt in range(1, _ATTEMPTS + 1):
        outcome = await _verdict_or_crash(watch)
        if isinstance(outcome, WatchEnded):
            return outcome
        crash = outcome
        trace = "".join(traceback.format_exception(crash))
        report(WatchCrashed(workflow_id=workflow_id, error=trace))
        if attempt < _ATTEMPTS:
            await anyio.sleep(polling.backoff_delay(attempt, 0))
    return WatchEnded(
        workflow_id=workflow_id,
        verdict=Verdict.HANDED_OVER,
        reason=f"Internal error of torc-watch ({_ATTEMPTS} attempts): {crash!r}. "
        "Please report it with the log. The workflow was left as it is.",
    )


async def _verdict_or_crash(watch: Callable[[], Awaitable[WatchEnded]]) -> WatchEnded | Exception:
    try:
        return await watch()
    except Exception as error:  # noqa: BLE001 - a crash of one watch must not end the others
        cause = innermost(error)
        if isinstance(cause, _EXPECTED):
            raise cause from None
        return cause


def innermost(error: Exception) -> Exception:
    """The first cause in nested exception groups."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
