"""Journal entries, as a listener in journald's place receives them."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from torc_watch.interfaces.journald import JournalSender, entry


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield listener


def test_values_with_lines_carry_their_length() -> None:
    assert entry({"MESSAGE": "é\nb", "WORKFLOW_ID": "42"}) == (
        b"MESSAGE\n\x04\0\0\0\0\0\0\0\xc3\xa9\nb\nWORKFLOW_ID=42\n"
    )


@pytest.mark.parametrize("text", ["short", "long" * 200_000])
def test_an_entry_arrives_whole(tmp_path: Path, listener: socket.socket, text: str) -> None:
    sender = JournalSender(str(tmp_path / "socket"))
    sender.send({"MESSAGE": text})
    sender.close()

    received, files, _, _ = socket.recv_fds(listener, 1 << 20, 1)
    for file in files:
        received = os.pread(file, 1 << 20, 0)
        os.close(file)

    assert received == entry({"MESSAGE": text})
    assert len(files) == (len(text) > 100)


def test_no_journal_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JournalSender(str(tmp_path / "nobody"))
