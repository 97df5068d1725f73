"""Notifications to systemd (sd_notify(3)): ready, status, watchdog.

Each message is one datagram to the socket in NOTIFY_SOCKET. Without that variable, as in a terminal
or under another supervisor, all methods do nothing. A message that cannot be delivered is dropped:
the daemon's work does not depend on it.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self


class SystemdNotifier:
    """``watchdog`` is systemd's watchdog timeout in seconds; None without a watchdog."""

    def __init__(self, address: str | None, watchdog: float | None = None) -> None:
        self._address = address
        self.watchdog = watchdog
        # Kept open: notifications also work when this process cannot open more files.
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._sender = socket.socket(socket.AF_UNIX, kind)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads NOTIFY_SOCKET and WATCHDOG_USEC."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        watchdog = int(microseconds) / 1e6 if microseconds.isdecimal() else None
        return cls(environment.get("NOTIFY_SOCKET"), watchdog)

    def close(self) -> None:
        self._sender.close()

    def ready(self) -> None:
        self._send("READY=1")

    def set_status(self, status: str) -> None:
        """Sets the line that `systemctl status` shows."""
        self._send(f"STATUS={status.replace(os.linesep, ' ')}")

    def reloading(self) -> None:
        """Call ``ready`` when the reload is done."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def ping_watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of an abstract socket.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with suppress(OSError):
            self._sender.sendto(message.encode(), address)
