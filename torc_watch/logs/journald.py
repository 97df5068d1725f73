"""Sends entries with fields to systemd's journal, by its native protocol.

Field names are upper case; `journalctl WORKFLOW_ID=42` finds the entries with that value. An entry
that is too long for a datagram is sent as a sealed file in memory.
"""

import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from errno import EMSGSIZE

SOCKET = "/run/systemd/journal/socket"
_SEND_TIMEOUT = 1.0  # seconds


def encode(fields: Mapping[str, str]) -> bytes:
    """The wire form: a line for each field; a value of several lines has its length before it."""
    return b"".join(_field(name.encode(), value.encode()) for name, value in fields.items())


def _field(name: bytes, value: bytes) -> bytes:
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def _report_of(dropped: int) -> dict[str, str]:
    message = f"The journal missed the last {dropped} entries; `torc-watchd logs` shows them."
    return {"MESSAGE": message, "PRIORITY": "4", "SYSLOG_IDENTIFIER": "torc-watchd"}


class JournalSender:
    """Raises OSError when there is no journal at ``address``, and for an entry that is not sent.

    The first entry for a journal that has stopped waits a second. Then entries are dropped until
    the journal accepts one again; it gets their number first.
    """

    def __init__(self, address: str = SOCKET) -> None:
        self._dropped = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(_SEND_TIMEOUT)
        try:
            self._socket.connect(address)
        except OSError:
            self.close()
            raise

    def send(self, fields: Mapping[str, str]) -> None:
        try:
            if self._dropped:
                self._send(_report_of(self._dropped))
            self._send(fields)
        except (TimeoutError, BlockingIOError):
            self._dropped += 1
            self._socket.settimeout(0)
            raise
        self._dropped = 0
        self._socket.settimeout(_SEND_TIMEOUT)

    def _send(self, fields: Mapping[str, str]) -> None:
        message = encode(fields)
        try:
            self._socket.send(message)
        except OSError as error:
            if error.errno != EMSGSIZE:
                raise
            self._send_as_file(message)

    def close(self) -> None:
        self._socket.close()

    def _send_as_file(self, message: bytes) -> None:
        file = os.memfd_create("torc-watchd", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            os.write(file, message)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
            socket.send_fds(self._socket, [b""], [file])
        finally:
            os.close(file)
