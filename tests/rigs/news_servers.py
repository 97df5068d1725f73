"""Servers on loopback that news goes to: a webhook, a mail server, and one that never answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, StreamRequestHandler, TCPServer, ThreadingTCPServer
from typing import Any


@dataclass
class Inbox:
    """What a server on ``port`` has taken."""

    port: int = 0
    taken: list[bytes] = field(default_factory=list)


@contextmanager
def webhook(status: int = 200) -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), inbox):
        yield inbox


@contextmanager
def mail_server() -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                self.wfile.write(self._answer(line.strip().upper()))

        def _answer(self, command: bytes) -> bytes:
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                inbox.taken.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            return b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n"

    with _serving(_Threads(("127.0.0.1", 0), Handler), inbox):
        yield inbox


@contextmanager
def silent_server() -> Iterator[Inbox]:
    """It takes connections, and what is sent, and never answers."""
    inbox, ended = Inbox(), threading.Event()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            inbox.taken.append(b"")
            ended.wait()

    with _serving(_Threads(("127.0.0.1", 0), Handler), inbox):
        yield inbox
        ended.set()


class _Threads(ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed: that is what they are here for."""


@contextmanager
def _serving(server: TCPServer, inbox: Inbox) -> Iterator[None]:
    inbox.port = server.socket.getsockname()[1]
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
