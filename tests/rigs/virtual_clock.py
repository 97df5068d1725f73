"""The time of day in a loop in which virtual time passes."""

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import looptime


def virtual_now() -> datetime:
    """The real time where the loop has no virtual one."""
    loop = asyncio.get_running_loop()
    is_virtual = isinstance(loop, looptime.LoopTimeEventLoop)
    return datetime.now(UTC) + timedelta(seconds=loop.time() if is_virtual else 0)


class VirtualClock(datetime):
    """Takes the place of ``datetime`` in a module."""

    @classmethod
    def now(cls, _: tzinfo | None = None) -> Any:
        return virtual_now()
