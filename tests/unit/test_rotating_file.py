"""A log file with several writers: each of them can rotate it, and a full disk loses only lines."""

import fcntl
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from io import FileIO
from pathlib import Path

import pytest

from torc_watch.logs import rotating_file
from torc_watch.logs.log_reader import all_lines
from torc_watch.logs.rotating_file import RotatingFile

WRITER = """
import sys
from pathlib import Path
from torc_watch.logs import rotating_file
rotating_file._MAX_SIZE = 20_000
log = rotating_file.RotatingFile(Path(sys.argv[1]))
for number in range(500):
    log.write(f"{sys.argv[2]} {number:15}")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "daemon.log"


@pytest.fixture
def log(path: Path) -> Iterator[RotatingFile]:
    path.parent.mkdir()
    with closing(RotatingFile(path)) as log:
        yield log


@pytest.mark.parametrize("how", ["removed", "renamed by another"])
def test_removed_or_renamed_file_is_opened_again(path: Path, log: RotatingFile, how: str) -> None:
    log.write("before")
    if how == "removed":
        path.unlink()
    else:
        path.rename(path.with_name("daemon.log.1"))
    log.write("after")

    assert path.read_text() == "after\n"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_several_writers_lose_no_line_over_rotations(path: Path) -> None:
    path.parent.mkdir()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(writer)])
        for writer in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4

    expected = sorted(f"{writer} {number:15}" for writer in range(4) for number in range(500))
    assert sorted(all_lines(path)) == expected
    assert {file.name for file in path.parent.iterdir()} == {"daemon.log", "daemon.log.1"}


def test_five_older_files_are_kept(
    path: Path, log: RotatingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating_file, "_MAX_SIZE", 2)
    for number in range(10):
        log.write(str(number))

    assert list(all_lines(path)) == ["4", "5", "6", "7", "8", "9"]


def test_file_that_another_writer_just_rotated_is_not_rotated_again(
    path: Path, log: RotatingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating_file, "_MAX_SIZE", 2)
    log.write("1")
    flock = fcntl.flock

    def rotated_before(file: FileIO, how: int) -> None:
        path.rename(path.with_name("daemon.log.1"))
        path.write_text("2\n")
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", rotated_before)
    log.write("3")

    assert path.read_text() == "2\n3\n"
    assert path.with_name("daemon.log.1").read_text() == "1\n"


def test_file_that_cannot_be_rotated_grows(
    path: Path, log: RotatingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating_file, "_MAX_SIZE", 2)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    for number in range(3):
        log.write(str(number))

    assert path.read_text() == "0\n1\n2\n"


def test_line_that_a_full_disk_truncates_damages_no_other_line(
    path: Path, log: RotatingFile
) -> None:
    log.write("first")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        log.write("second")
        log.write("third")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.write("fourth")

    assert path.read_text() == "first\nseco\nfourth\n"


def test_lines_are_lost_while_the_folder_is_missing(path: Path, log: RotatingFile) -> None:
    path.parent.rmdir()
    log.write("lost")
    path.parent.mkdir()
    log.write("kept")

    assert list(all_lines(path)) == ["kept"]
