"""Says on standard error for whom a silent command waits, and for how long already."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self, TypeVar

from torc_watch.torc.transport import API_PATH, Connection

T = TypeVar("T")

_SILENCE = 2  # seconds before it is said
_CLEAR_LINE = "\r\033[K"


class WaitingNotice:
    """A context manager. On a terminal one line, renewed each second, that goes away in the end;
    else one line, once.
    """

    def __init__(self, connection: Connection) -> None:
        self._server = connection.url.removesuffix(API_PATH)
        self._task = asyncio.create_task(self._show())
        self._is_on_screen = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """To be called before something else is printed; may be called again."""
        self._task.cancel()
        if self._is_on_screen:
            self._is_on_screen = False
            _print(_CLEAR_LINE)

    async def _show(self) -> None:
        await asyncio.sleep(_SILENCE)
        if not sys.stderr.isatty():
            _print(f"Waiting for {self._server}...\n")
            return
        seconds = _SILENCE
        while True:
            self._is_on_screen = True
            _print(f"{_CLEAR_LINE}Waiting for {self._server} ({seconds} s)...")
            await asyncio.sleep(1)
            seconds += 1


def announced(
    connection: Connection, command: Callable[[], Awaitable[T]]
) -> Callable[[], Awaitable[T]]:
    """``command``, which waits for this server and prints nothing before its end."""

    async def run() -> T:
        with WaitingNotice(connection):
            return await command()

    return run


def _print(text: str) -> None:
    with suppress(OSError):  # what it says is worth no failure
        print(text, end="", file=sys.stderr, flush=True)
