"""What jobs have written, on standard output: as it is in a pipe, made printable on a terminal."""

import codecs
import sys
from collections.abc import Iterable
from pathlib import Path

from torc_watch.render.terminal_text import printable, printable_lines

_LONGEST_PATH = 4096  # characters


class JobOutputPrinter:
    """Pieces of several files, each under a line with its name, as tail(1) does.

    ``titled`` says that there may be more than one; the name of one alone is no part of the output.
    """

    def __init__(self, *, titled: bool) -> None:
        self._titled = titled
        self._last: Path | None = None
        self._ends_line = True
        self._decoders: dict[Path, codecs.IncrementalDecoder] = {}

    def title(self, path: Path) -> None:
        if path == self._last:
            return
        blank = "\n" if self._last else ""
        end = "" if self._ends_line else "\n"
        self._last, self._ends_line = path, True
        text = f"{end}{blank}==> {printable(str(path), _LONGEST_PATH)} <=="
        sys.stdout.flush()
        print(text, file=sys.stdout if self._titled else sys.stderr, flush=True)

    def show(self, path: Path, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if piece:
                self.title(path)
                self._write(path, piece)

    def _write(self, path: Path, piece: bytes) -> None:
        self._ends_line = piece.endswith(b"\n")
        if not sys.stdout.isatty():
            sys.stdout.flush()
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        decoder = self._decoders.setdefault(
            path, codecs.getincrementaldecoder("utf-8")("backslashreplace")
        )
        print(printable_lines(decoder.decode(piece)), end="", flush=True)

    def end(self) -> None:
        """The prompt of a shell begins a line."""
        if sys.stdout.isatty() and not self._ends_line:
            print(flush=True)


def print_notice(text: str) -> None:
    sys.stdout.flush()
    print(printable_lines(text), file=sys.stderr, flush=True)
