"""The end of a file, and what is appended to it."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.units import GIB, MIB
from torc_watch.host.file_tail import Tail, read_from, read_tail, size_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "job.o"


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        pytest.param(b"", 2, Tail(content=b"", size=0, is_cut=False), id="empty"),
        pytest.param(b"a\n", 2, Tail(content=b"a\n", size=2, is_cut=False), id="fewer"),
        pytest.param(b"a\nb\nc\n", 2, Tail(content=b"b\nc\n", size=6, is_cut=True), id="more"),
        pytest.param(b"a\nb\nc", 2, Tail(content=b"b\nc", size=5, is_cut=True), id="no end"),
        pytest.param(b"a\n\n\n", 2, Tail(content=b"\n\n", size=4, is_cut=True), id="blank"),
        pytest.param(
            b"x" * MIB + b"\nlast\n",
            9,
            Tail(content=b"last\n", size=MIB + 6, is_cut=True),
            id="no half lines",
        ),
        pytest.param(
            b"x" * 2 * MIB, 9, Tail(content=b"x" * MIB, size=2 * MIB, is_cut=True), id="one line"
        ),
        pytest.param(
            b"x" * 2 * MIB + b"\n",
            9,
            Tail(content=b"x" * (MIB - 1) + b"\n", size=2 * MIB + 1, is_cut=True),
            id="one line with an end",
        ),
    ],
)
def test_last_lines(file: Path, content: bytes, lines: int, expected: Tail) -> None:
    file.write_bytes(content)
    assert read_tail(file, lines) == expected


@given(st.text("ab\n", max_size=30).map(str.encode), st.integers(1, 9))
def test_tail_is_the_last_lines_of_a_small_file(content: bytes, lines: int) -> None:
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        tail = read_tail(Path(file.name), lines)
    assert tail.content == b"".join(content.splitlines(keepends=True)[-lines:])
    assert tail.is_cut == (tail.content != content)


def test_huge_file_is_read_from_its_end(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(20 * GIB)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\nlast\n")
    assert read_tail(file, 200).content == b"last\n"


def test_what_was_appended(file: Path) -> None:
    file.write_bytes(b"a" * 10 + b"b" * 100_000)
    pieces = list(read_from(file, 10))
    assert b"".join(pieces) == b"b" * 100_000
    assert max(map(len, pieces)) < 100_000
    assert list(read_from(file, 100_010)) == []
    assert list(read_from(file, 200_000)) == []


def test_fifo_is_refused_at_once(file: Path) -> None:
    os.mkfifo(file)
    for read in (
        lambda: read_tail(file, 1),
        lambda: list(read_from(file, 0)),
        lambda: size_of(file),
    ):
        with pytest.raises(OSError, match="It is no regular file"):
            read()


def test_size(file: Path) -> None:
    assert size_of(file) is None
    assert size_of(file / "below") is None
    file.write_bytes(b"12")
    assert size_of(file) == 2
    assert size_of(file / "below") is None
