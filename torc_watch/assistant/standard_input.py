"""Standard input that this process can close by itself.

The SDK reads it in a thread that nothing can stop: neither SIGTERM nor Ctrl-C would end this
process while its client keeps the pipe open.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread

import anyio

_PIECE = 65_536  # bytes


@contextmanager
def replaced_standard_input() -> Iterator[Callable[[], None]]:
    """Puts another stream with the same content into the place of ``sys.stdin``.

    Yields what ends that stream. Programs that this process starts read nothing from their own
    standard input.
    """
    number = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    ours, readers = socket.socketpair()
    before = sys.stdin
    with ours, readers, readers.makefile("r", encoding="utf-8") as stream:
        sys.stdin = stream
        Thread(target=_copy, args=(number, ours), daemon=True).start()
        try:
            yield partial(_end, ours)
        finally:
            sys.stdin = before


async def when_canceled(call: Callable[[], None]) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        call()


def _end(stream: socket.socket) -> None:
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


def _copy(number: int, target: socket.socket) -> None:
    """Until one side is closed."""
    with suppress(OSError):
        while piece := os.read(number, _PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
