"""What jobs have written, in a pipe and on a terminal."""

import io
import sys
from pathlib import Path

import pytest

from torc_watch.cli.job_output import JobOutputPrinter

OUT, ERR = Path("/o/job.o"), Path("/o/job.e")
ODD = "30 %\r\x1b[2Jgrün\t\x9b ".encode() + b"\xff\n"


class Stream(io.TextIOWrapper):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


def printed(
    monkeypatch: pytest.MonkeyPatch,
    *pieces: tuple[Path, bytes],
    is_terminal: bool,
    titled: bool = False,
) -> tuple[bytes, bytes]:
    out, err = Stream(is_terminal=is_terminal), Stream(is_terminal=is_terminal)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        printer = JobOutputPrinter(titled=titled)
        for path, piece in pieces:
            printer.show(path, [piece])
        printer.end()
    return out.text(), err.text()


def test_bytes_are_as_they_are_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    found = printed(monkeypatch, (OUT, ODD), (OUT, b"end"), is_terminal=False)
    assert found == (ODD + b"end", b"==> /o/job.o <==\n")


def test_control_characters_are_codes_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    middle = ODD.index("ü".encode()) + 1  # a letter may be in two pieces
    pieces = ((OUT, ODD[:middle]), (OUT, ODD[middle:]), (OUT, b"end"))
    out, _ = printed(monkeypatch, *pieces, is_terminal=True)
    assert out.decode() == "30 %\\r\\x1b[2Jgrün\t\\x9b \\xff\nend\n"


def test_each_change_of_file_has_a_title(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = ((OUT, b"1\n"), (OUT, b"2"), (ERR, b""), (ERR, b"bad\n"), (OUT, b"3\n"))
    out, err = printed(monkeypatch, *pieces, is_terminal=False, titled=True)
    assert out.decode() == (
        "==> /o/job.o <==\n1\n2\n\n==> /o/job.e <==\nbad\n\n==> /o/job.o <==\n3\n"
    )
    assert err == b""


def test_title_is_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    _, err = printed(monkeypatch, (Path("/o\x1b/\n"), b"1\n"), is_terminal=True)
    assert err == b"==> /o\\x1b/\\n <==\n"
