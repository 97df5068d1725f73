import os
import socket
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


def test_end_of_one_endless_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.write_bytes(b"\r".join(b"step %d" % number for number in range(100_000)) + b"\rlast")
    text = read_excerpt(path)
    assert text is not None
    assert text.startswith("step 0\r")
    assert text.endswith("\rlast")
    assert len(text) < 97 * KIB


def test_binary_file_of_any_size_is_text(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.write_bytes(bytes(range(256)) * KIB)
    text = read_excerpt(path)
    assert text is not None
    assert "\ufffd" in text


def test_what_cannot_be_reached_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for path in (tmp_path / "loop", tmp_path / "loop" / "e", tmp_path / "file" / "e"):
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            read_excerpt(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_without_permission_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "e").touch()
    (tmp_path / "closed").chmod(0)
    with pytest.raises(PermissionError):
        read_excerpt(tmp_path / "closed" / "e")


def test_folder_and_socket_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(OSError, match="No such device"):
            read_excerpt(Path("socket"))
    before = open_files()
    assert read_excerpt(tmp_path) is None
    assert open_files() == before


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
