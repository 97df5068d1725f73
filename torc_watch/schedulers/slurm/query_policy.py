"""When a command of Slurm is repeated.

Only one that may be given twice is, such as a query, and only once: a watch polls again by itself,
and an attempt may take as long as the time limit of a command. A submission is never repeated,
because one that timed out may have taken effect.
"""

import anyio
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from torc_watch.core.errors import SchedulerUnreachable

QUERY_ATTEMPTS = 2
_PAUSE = (1.0, 2.0)  # seconds, at random: a busy controller is not asked by everyone at once


def query_policy() -> AsyncRetrying:
    """Repeats a query that Slurm's daemons did not answer. Raises the last error."""
    return AsyncRetrying(
        retry=retry_if_exception_type(SchedulerUnreachable),
        wait=wait_random(*_PAUSE),
        stop=stop_after_attempt(QUERY_ATTEMPTS),
        sleep=anyio.sleep,
        reraise=True,
    )
