"""The log file of a watch: it is appended to, readable at once, and cannot stop the watch."""

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from torc_watch.logs.watch_log import WatchLog, open_watch_log


def log_path(folder: Path) -> Path:
    return folder / f"watch_{socket.gethostname()}_7.log"


def test_output_folder_is_created(tmp_path: Path) -> None:
    with open_watch_log(tmp_path / "deep" / "output", 7) as log:
        log.write("Größe")
    assert log_path(tmp_path / "deep" / "output").read_text(encoding="utf-8") == "Größe\n"


def test_log_is_appended_to(tmp_path: Path) -> None:
    for number in range(2):
        with open_watch_log(tmp_path, 7) as log:
            log.write(str(number))
    assert log_path(tmp_path).read_text() == "0\n1\n"


def test_line_is_readable_at_once(tmp_path: Path) -> None:
    with open_watch_log(tmp_path, 7) as log:
        log.write("line")
        assert log_path(tmp_path).read_text() == "line\n"


def test_full_disk_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails
    log = WatchLog(full)
    for _ in range(3):
        log.write("line")
    with suppress(OSError):
        full.close()
    message = capsys.readouterr().err
    assert message.count("No space left on device") == 1
    assert "/dev/full" in message


def test_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), open_watch_log(tmp_path / "file", 7):
        pass


def test_watch_without_a_line_leaves_no_log(tmp_path: Path) -> None:
    with open_watch_log(tmp_path, 7):
        pass
    assert list(tmp_path.iterdir()) == []


def test_watch_without_a_line_keeps_an_earlier_log(tmp_path: Path) -> None:
    with open_watch_log(tmp_path, 7) as log:
        log.write("line")
    with open_watch_log(tmp_path, 7):
        pass
    assert log_path(tmp_path).read_text() == "line\n"
