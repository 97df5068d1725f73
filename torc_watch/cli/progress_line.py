"""Says on standard error what a command with long work is doing."""

import sys
import time
from contextlib import suppress
from typing import Self

_SILENCE = 2  # seconds before the first text
_CLEAR_LINE = "\r\033[K"


class ProgressLine:
    """A context manager. On a terminal one line, that goes away in the end; else one line each
    minute at most.
    """

    def __init__(self) -> None:
        self._next = time.monotonic() + _SILENCE
        self._is_terminal = sys.stderr.isatty()
        self._is_on_screen = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_on_screen:
            self._print(_CLEAR_LINE)

    def show(self, text: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        if self._is_terminal:
            self._next = now + 0.1
            self._is_on_screen = True
            self._print(f"{_CLEAR_LINE}{text}...")
        else:
            self._next = now + 60
            self._print(f"{text}...\n")

    @staticmethod
    def _print(text: str) -> None:
        with suppress(OSError):  # what it says is worth no failure
            print(text, end="", file=sys.stderr, flush=True)
