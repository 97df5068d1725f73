"""Journal entries, as a listener in place of journald receives them."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from torc_watch.logs import journald
from torc_watch.logs.journald import JournalSender, encode


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield listener


def test_value_of_several_lines_carries_its_length() -> None:
    assert encode({"MESSAGE": "é\nb", "WORKFLOW_ID": "42"}) == (
        b"MESSAGE\n\x04\0\0\0\0\0\0\0\xc3\xa9\nb\nWORKFLOW_ID=42\n"
    )


@pytest.mark.parametrize("text", ["short", "long" * 200_000])
def test_entry_of_any_length_arrives_whole(
    tmp_path: Path, listener: socket.socket, text: str
) -> None:
    sender = JournalSender(str(tmp_path / "socket"))
    sender.send({"MESSAGE": text})
    sender.close()

    received, files, _, _ = socket.recv_fds(listener, 1 << 20, 1)
    for file in files:
        received = os.pread(file, 1 << 20, 0)
        os.close(file)

    assert received == encode({"MESSAGE": text})
    assert len(files) == (len(text) > 100)


def test_stopped_journal_causes_one_wait(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropped entries are counted, and reported before the next entry."""
    monkeypatch.setattr(journald, "_SEND_TIMEOUT", 0.1)
    sender = JournalSender(str(tmp_path / "socket"))
    accepted = sum(1 for _ in iter(lambda: is_accepted(sender), False))
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            sender.send({"MESSAGE": "dropped"})
    for _ in range(accepted):
        listener.recv(1000)
    for message in ("next", "last"):
        sender.send({"MESSAGE": message})
    sender.close()

    received = [listener.recv(1000).split(b"\n")[0] for _ in range(3)]
    assert received[0].startswith(b"MESSAGE=The journal missed the last 4 entries")
    assert received[1:] == [b"MESSAGE=next", b"MESSAGE=last"]


def is_accepted(sender: JournalSender) -> bool:
    try:
        sender.send({"MESSAGE": "early"})
    except TimeoutError:
        return False
    return True


def test_missing_journal_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JournalSender(str(tmp_path / "missing"))
