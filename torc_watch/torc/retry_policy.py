"""When calls to a server are repeated: one tenacity policy for each kind of call.

- `request_policy`: one HTTP request, for seconds (`transport`).
- `outage_policy`: a call of a job runner, which waits for the end of an outage (`sandbox.runner`).
- `stream_policy`: the event stream of a workflow, while it is watched (`engine.watcher`).

Pauses are sleeps of the event loop, so that tests run them in virtual time. tenacity's own
`stop_after_delay` is not used: it reads `time.monotonic`. The polls of a watch have no policy here:
the watcher reports each failed poll with the time of the next one (backoff: `core.intervals`).
"""

import random
from collections.abc import Awaitable, Callable

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from torc_watch.core import intervals
from torc_watch.core.errors import (
    AnswerTooLarge,
    NotFound,
    RequestRejected,
    ServerError,
    ServerFault,
    ServerUnreachable,
)

FailedAttempt = RetryCallState  # its ``upcoming_sleep`` is the pause until the next one, in seconds
REQUEST_ATTEMPTS = 4
FAULTS = 5  # error responses to one call of a runner
NO_STREAM = (AnswerTooLarge, NotFound, RequestRejected)  # the server has none, or none of use
_REQUEST_PAUSE = 0.25  # seconds; it doubles each time, and up to as much is added at random
_OUTAGE_PAUSE = 1.0  # seconds; it doubles each time
_LONGEST_OUTAGE_PAUSE = 30.0


def request_policy(
    is_transient: Callable[[BaseException], bool], attempts: int = REQUEST_ATTEMPTS
) -> AsyncRetrying:
    """Repeats a request after an error that ``is_transient``. Raises the last error."""
    return AsyncRetrying(
        retry=retry_if_exception(is_transient),
        wait=wait_exponential(multiplier=_REQUEST_PAUSE) + wait_random(0, _REQUEST_PAUSE),
        stop=stop_after_attempt(attempts),
        sleep=anyio.sleep,
        reraise=True,
    )


def outage_policy(pause: Callable[[FailedAttempt], Awaitable[None]]) -> AsyncRetrying:
    """Repeats a call while the server is unreachable or fails. Raises the last error.

    ``pause`` is called after each failed attempt. It waits for ``upcoming_sleep`` seconds or less,
    and raises when there is no time for another attempt.
    """
    return AsyncRetrying(
        retry=retry_if_exception_type((ServerUnreachable, ServerFault)),
        wait=wait_exponential(multiplier=_OUTAGE_PAUSE, max=_LONGEST_OUTAGE_PAUSE),
        stop=_stop_after_faults(),
        before_sleep=pause,
        sleep=_no_further_sleep,
        reraise=True,
    )


def stream_policy() -> AsyncRetrying:
    """Reopens a stream that ended or failed. Raises the errors NO_STREAM.

    Set ``retry_state.attempt_number`` to 1 when the stream works: its next failure is the first.
    """
    return AsyncRetrying(
        retry=_is_worth_reopening,
        wait=lambda state: jittered_backoff(state.attempt_number),
        sleep=anyio.sleep,
        reraise=True,
    )


def jittered_backoff(failures: int) -> float:
    """Seconds to wait before the next attempt, after ``failures`` (at least 1) in a row."""
    chance = random.random()  # noqa: S311 - spreads load, protects nothing
    return intervals.backoff_delay(failures, chance)


def failure(state: FailedAttempt) -> BaseException | None:
    """What the attempt raised."""
    return state.outcome.exception() if state.outcome is not None else None


def _stop_after_faults() -> Callable[[RetryCallState], bool]:
    """Only error responses count: a server that is unreachable may come back."""
    faults = 0

    def stop(state: RetryCallState) -> bool:
        nonlocal faults
        faults += isinstance(failure(state), ServerFault)
        return faults >= FAULTS

    return stop


async def _no_further_sleep(_seconds: float) -> None:
    """``before_sleep`` has paused already."""


def _is_worth_reopening(state: RetryCallState) -> bool:
    error = failure(state)
    is_final = isinstance(error, NO_STREAM)
    return error is None or (isinstance(error, ServerError) and not is_final)
