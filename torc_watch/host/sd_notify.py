"""What a service tells systemd: that it is ready, what it does, that it still lives.

The protocol is one datagram for each message (sd_notify(3)), sent to the socket that the service
manager names. Without one, as in a terminal or under another supervisor, all of this does nothing.
A message that cannot be delivered is dropped: the service's work does not depend on being watched.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self


class SystemdNotifier:
    """``watchdog`` is after how many seconds of silence we are killed; None for never."""

    def __init__(self, address: str | None, watchdog: float | None = None) -> None:
        self._address = address
        self.watchdog = watchdog
        # Kept open: we are also heard when this process may open no more files.
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._sender = socket.socket(socket.AF_UNIX, kind)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The one that started this process, by NOTIFY_SOCKET and WATCHDOG_USEC."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        watchdog = int(microseconds) / 1e6 if microseconds.isdecimal() else None
        return cls(environment.get("NOTIFY_SOCKET"), watchdog)

    def close(self) -> None:
        self._sender.close()

    def ready(self) -> None:
        self._send("READY=1")

    def say(self, status: str) -> None:
        """One line, as `systemctl status` shows it."""
        self._send(f"STATUS={status.replace(os.linesep, ' ')}")

    def reloading(self) -> None:
        """To be followed by ``ready`` when what was reloaded holds."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of Linux's abstract sockets.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with suppress(OSError):
            self._sender.sendto(message.encode(), address)
