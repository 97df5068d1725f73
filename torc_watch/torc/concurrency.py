"""Independent requests, sent side by side."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from torc_watch.core.errors import ServerError

T = TypeVar("T")

_AT_ONCE = 8  # connections to one server


async def gather(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The answers in the order of the calls, at most eight of which are under way at a time.

    The first ServerError ends the others and is raised by itself, not in a group.
    """
    answers: dict[int, T] = {}
    failures: list[ServerError] = []
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def answer(index: int) -> None:
        try:
            async with limiter:
                answers[index] = await calls[index]()
        except ServerError as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index in range(len(calls)):
            group.start_soon(answer, index)
    if failures:
        raise failures[0]
    return [answers[index] for index in range(len(calls))]
