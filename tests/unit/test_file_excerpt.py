import os
from pathlib import Path

import pytest

from torc_watch.host.file_excerpt import read_excerpt

KIB = 1024


def test_short_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.write_bytes(b"one\n\xff\xfe\nthree\n")
    assert read_excerpt(path) == "one\n\ufffd\ufffd\nthree\n"


def test_beginning_and_end_of_a_file_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "e"
    with path.open("wb") as file:
        file.write(b"first line\n")
        file.truncate(5 * KIB**3)  # 5 GiB that take no space
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast line\n")
    text = read_excerpt(path)
    assert text is not None
    assert text.startswith("first line\n")
    assert text.endswith("\nlast line\n")
    assert len(text) < 97 * KIB


def test_no_line_is_cut_where_the_middle_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.write_text("".join(f"line {number:06}\n" for number in range(100_000)))
    text = read_excerpt(path)
    assert text is not None
    assert all(len(line) == len("line 000000") for line in text.splitlines())


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert read_excerpt(tmp_path / "fifo") is None
    assert read_excerpt(Path("/dev/zero")) is None
    with pytest.raises(FileNotFoundError):
        read_excerpt(tmp_path / "none")
