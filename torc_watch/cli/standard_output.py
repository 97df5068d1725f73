"""Standard output that may be full or closed: its failure is told from those of other files."""

import io
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from torc_watch.core.errors import TorcWatchError

_STANDARD = 3  # input, output, errors


class OutputFailed(TorcWatchError, OSError):
    """Standard output cannot be written; ``errno`` says why. A closed pipe is none of these."""

    def __str__(self) -> str:
        return f"standard output: {self.strerror}."


class _Output(io.FileIO):
    has_lost_reader = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self.has_lost_reader = True
            raise
        except OSError as error:
            raise OutputFailed(error.errno, error.strerror) from error


def occupy_standard_numbers() -> None:
    """Opens /dev/null for what the caller has closed.

    The next file that is opened, perhaps the journal, would else get its number, and with it what
    is printed.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number < _STANDARD:
        os.set_inheritable(number, True)
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)


def standard_output() -> tuple[TextIO, Callable[[], bool]]:
    """The same as ``sys.stdout``, but it raises OutputFailed; and whether its reader has gone.

    A terminal that lacks a letter shows another.
    """
    before = sys.stdout if isinstance(sys.stdout, io.TextIOWrapper) else None
    output = _Output(1, "w", closefd=False)
    text = io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=before.encoding if before else None,
        errors="replace",
        line_buffering=before is not None and before.line_buffering,
        write_through=before is not None and before.write_through,
    )
    return text, lambda: output.has_lost_reader
