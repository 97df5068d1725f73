"""What is handed on of a log, and how it is read from the file."""

import os
from pathlib import Path

import pytest

from torc_watch.core.log_excerpt import CONTEXT, LogEnds, LogExcerpt, excerpt
from torc_watch.core.redaction import Redactor
from torc_watch.core.units import GIB
from torc_watch.host.file_ends import read_ends

HEAD, TAIL = 10_000, 20_000


def of_file(path: Path, head: int = HEAD, tail: int = TAIL) -> LogExcerpt:
    ends = read_ends(path, head + CONTEXT, tail + CONTEXT)
    found = LogEnds(head=ends.head, tail=ends.tail, size=ends.size)
    return excerpt(found, head, tail, Redactor().text)


def test_short_log_is_whole(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(b"one\n\x1b[31mtwo\n\xff\n" + b"word " * 100)
    found = of_file(tmp_path / "e")
    assert found.text.startswith("one\n\x1b[31mtwo\n\ufffd\nword word")
    assert found.note == ""


@pytest.mark.parametrize("size", [HEAD + TAIL + 1, HEAD + TAIL + 2 * CONTEXT, 1_000_000])
def test_beginning_and_end_of_a_long_log(tmp_path: Path, size: int) -> None:
    lines = [f"line {number:06}" for number in range(size // 12 + 1)]
    (tmp_path / "e").write_text("\n".join(lines))
    found = of_file(tmp_path / "e")
    beginning, ending = (part.strip().splitlines() for part in found.text.split("\n[..."))
    assert beginning[0] == lines[0]
    assert ending[-1] == lines[-1]
    assert set(beginning + ending[1:]) <= set(lines)  # no line is cut
    assert len(found.text) <= HEAD + TAIL + 100
    assert found.note.startswith(f"the first {HEAD} and the last {TAIL} of ")


def test_log_of_20_gib_takes_a_moment(tmp_path: Path) -> None:
    with (tmp_path / "e").open("wb") as file:
        file.write(b"first line\n" * 2000)
        file.truncate(20 * GIB)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast line\n" * 3000)
    found = of_file(tmp_path / "e")
    assert "first line" in found.text
    assert found.text.endswith("last line\n")
    assert f"of {20 * GIB + 33_000} bytes" in found.note


def test_log_that_is_no_text(tmp_path: Path) -> None:
    secret = b"AKIAIOSFODNN7EXAMPLE"
    (tmp_path / "e").write_bytes(b"ELF\0\1\2\3readable words\0\0" + secret + b"\0\xff\xfe")
    found = of_file(tmp_path / "e")
    assert found.text == "readable words\n[redacted: key]"
    assert found.note == "it is not text: only what can be read of it"


@pytest.mark.parametrize("offset", range(0, 30, 3))
def test_secret_at_a_cut_does_not_survive_in_part(tmp_path: Path, offset: int) -> None:
    key = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    line = "x" * (HEAD - offset - 1) + f" {key} " + "y" * 60_000
    (tmp_path / "head").write_text(line)
    (tmp_path / "tail").write_text("y" * 60_000 + f" {key} " + "x" * (TAIL - offset - 1))
    for name in ("head", "tail"):
        text = of_file(tmp_path / name).text
        assert not any(key[start : start + 8] in text for start in range(len(key) - 8))


def test_what_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "private").write_text("key")
    (tmp_path / "link").symlink_to("private")
    for name, why in (("fifo", "regular"), ("link", "symbolic link"), ("none", "No such")):
        with pytest.raises(OSError, match=why):
            read_ends(tmp_path / name, 10, 10)
    with pytest.raises(OSError, match="regular"):
        read_ends(Path("/dev/zero"), 10, 10)
    with pytest.raises(OSError, match="regular"):
        read_ends(tmp_path, 10, 10)
