"""Three strikes: what is done about a defect of ours that one workflow meets.

It is reported and tried again after a pause; after the third time the workflow is handed over. It
ends no other watch. A broken journal ends all, since nothing may be changed without it.
"""

import traceback
from collections.abc import Awaitable, Callable

import anyio

from torc_watch.core import polling
from torc_watch.core.errors import JournalError, LeaseLost
from torc_watch.core.events import Event, Verdict, WatchEnded, WatchCrashed

_DEFECTS = 3
_ENDING_ALL = (JournalError, LeaseLost, BrokenPipeError)


async def isolate_crashes(
    workflow_id: int, watch: Callable[[], Awaitable[WatchEnded]], report: Callable[[Event], None]
) -> WatchEnded:
    """The verdict that ``watch`` comes to, which may be begun again. Raises what ends all."""
    defect: Exception
    for defects in range(1, _DEFECTS + 1):
        outcome = await _attempted(watch)
        if isinstance(outcome, WatchEnded):
            return outcome
        defect = outcome
        trace = "".join(traceback.format_exception(defect))
        report(WatchCrashed(workflow_id=workflow_id, error=trace))
        if defects < _DEFECTS:
            await anyio.sleep(polling.until_next_try(defects, 0))
    return WatchEnded(
        workflow_id=workflow_id,
        verdict=Verdict.HANDED_OVER,
        reason=f"A defect of torc-watch met this workflow {_DEFECTS} times: {defect!r}. "
        "Please report it with the log; the workflow was left as it is.",
    )


async def _attempted(watch: Callable[[], Awaitable[WatchEnded]]) -> WatchEnded | Exception:
    """The verdict, or the defect that was met.

    Raises what ends all watches: JournalError, LeaseLost, and BrokenPipeError of a report that
    nobody reads any more.
    """
    try:
        return await watch()
    except Exception as error:  # noqa: BLE001 - a defect met by one watch must not end the others
        cause = innermost(error)
        if isinstance(cause, _ENDING_ALL):
            raise cause from None
        return cause


def innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
