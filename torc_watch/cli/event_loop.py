"""Runs what a command has to wait for."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


def run(command: Callable[[], Awaitable[T]]) -> T:
    """Runs ``command`` on a new event loop. Raises KeyboardInterrupt when it is told to stop."""
    try:
        return anyio.run(_interruptible, command)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _interruptible(command: Callable[[], Awaitable[T]]) -> T:
    """SIGTERM, and SIGHUP of a closed terminal, count as Ctrl-C: what was started is stopped."""
    this = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if this is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup's
            asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    return await command()
