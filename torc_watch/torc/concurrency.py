"""Runs independent requests concurrently."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from torc_watch.core.errors import ServerError

T = TypeVar("T")

_MAX_CONCURRENT = 8  # requests to one server


async def gather(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results in the order of the calls; at most eight calls run at a time.

    The first ServerError cancels the other calls and is raised directly, not in a group.
    """
    results: dict[int, T] = {}
    failures: list[ServerError] = []
    limiter = anyio.CapacityLimiter(_MAX_CONCURRENT)

    async def run(index: int) -> None:
        try:
            async with limiter:
                results[index] = await calls[index]()
        except ServerError as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index in range(len(calls)):
            group.start_soon(run, index)
    if failures:
        raise failures[0]
    return [results[index] for index in range(len(calls))]
