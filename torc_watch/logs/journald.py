"""Entries with fields for systemd's journal, by its native protocol.

A field's name is upper case; `journalctl WORKFLOW_ID=42` finds what has that value. What is too
long for a datagram travels as a sealed file in memory.
"""

import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from errno import EMSGSIZE

SOCKET = "/run/systemd/journal/socket"
_PATIENCE = 1.0  # seconds


def entry(fields: Mapping[str, str]) -> bytes:
    """The wire form: a line for each field, its length before it where it has lines itself."""
    return b"".join(_field(name.encode(), value.encode()) for name, value in fields.items())


def _field(name: bytes, value: bytes) -> bytes:
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def _gap(dropped: int) -> dict[str, str]:
    message = f"The journal did not take the last {dropped} entries; `torc-watchd logs` has them."
    return {"MESSAGE": message, "PRIORITY": "4", "SYSLOG_IDENTIFIER": "torc-watchd"}


class JournalSender:
    """Raises OSError where there is no journal at ``address``, and for what it does not take.

    A journal that is stopped is waited for once, for a second: then entries are dropped until it
    takes one, and their number is its next.
    """

    def __init__(self, address: str = SOCKET) -> None:
        self._dropped = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(_PATIENCE)
        try:
            self._socket.connect(address)
        except OSError:
            self.close()
            raise

    def send(self, fields: Mapping[str, str]) -> None:
        try:
            if self._dropped:
                self._send(_gap(self._dropped))
            self._send(fields)
        except (TimeoutError, BlockingIOError):
            self._dropped += 1
            self._socket.settimeout(0)
            raise
        self._dropped = 0
        self._socket.settimeout(_PATIENCE)

    def _send(self, fields: Mapping[str, str]) -> None:
        message = entry(fields)
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
