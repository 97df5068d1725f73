"""A line to a Torc server on which a process can be killed beside one of its requests."""

import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from signal import SIGKILL
from typing import Literal
from urllib.parse import urlsplit

Moment = Literal["before", "after"]

_CHUNK = 2**16


@dataclass(frozen=True, slots=True)
class Crash:
    """Kills process ``pid`` when it sends a request that begins with ``request``.

    Before: the server never gets the request. After: the process never gets the answer.
    """

    pid: int
    request: str
    moment: Moment


class TorcLine(socketserver.ThreadingTCPServer):
    """``url`` is for clients. A ``crash`` happens once."""

    daemon_threads = True
    crash: Crash | None = None

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        parts = urlsplit(url)
        self.target = (parts.hostname or "", parts.port or 80)
        self.url = parts._replace(netloc=f"127.0.0.1:{self.server_address[1]}").geturl()

    def due(self, data: bytes) -> Crash | None:
        crash = self.crash
        if crash is None or not data.startswith(crash.request.encode()):
            return None
        self.crash = None
        return crash


class _Connection(socketserver.BaseRequestHandler):
    server: TorcLine
    request: socket.socket

    def handle(self) -> None:
        self._crash_at_answer: Crash | None = None
        with suppress(OSError), socket.create_connection(self.server.target) as upstream:
            threading.Thread(target=self._return_answers, args=(upstream,), daemon=True).start()
            while data := self.request.recv(_CHUNK):
                if crash := self.server.due(data):
                    if crash.moment == "before":
                        os.kill(crash.pid, SIGKILL)
                        return
                    self._crash_at_answer = crash
                upstream.sendall(data)

    def _return_answers(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while data := upstream.recv(_CHUNK):
                if self._crash_at_answer:
                    os.kill(self._crash_at_answer.pid, SIGKILL)
                    return
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_WR)


@contextmanager
def open_line(url: str) -> Iterator[TorcLine]:
    """A line to the server at ``url``, on a port of its own."""
    with TorcLine(url) as line:
        thread = threading.Thread(target=line.serve_forever)
        thread.start()
        try:
            yield line
        finally:
            line.shutdown()
            thread.join()
