"""The command line as its users have it: real processes, real sockets, a folder for each test."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.commands import TIMEOUT, Command, run, start
from tests.rigs.http_client import send_request
from tests.rigs.json_shapes import assert_documented
from tests.rigs.specifications import PATIENT

COMMAND = (sys.executable, "-m", "torc_watch")

# One job that works, one that is killed for its memory once, one that fails once, one that waits.
ORDINARY = """
name: ordinary
resource_requirements:
  - { name: small, num_cpus: 1, memory: 64m, runtime: PT1M }
jobs:
  - { name: good, command: "true", resource_requirements: small }
  - name: hungry
    command: '[ -e "$TORC_OUTPUT_DIR/fed" ] || { touch "$TORC_OUTPUT_DIR/fed"; exit 137; }'
    resource_requirements: small
  - name: flaky
    command: '[ -e "$TORC_OUTPUT_DIR/tried" ] || { touch "$TORC_OUTPUT_DIR/tried"; exit 1; }'
    resource_requirements: small
  - { name: after, command: "true", depends_on: [hungry], resource_requirements: small }
"""


@dataclass(slots=True)
class Site:
    """A folder in which commands run, with the server and the state that they share there."""

    folder: Path
    url: str = "http://127.0.0.1:9"  # where nobody listens
    server: Command | None = None
    started: list[Command] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def run(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """A whole command, with both of its streams apart."""
        return run([*COMMAND, *words], self.folder, self.environment(variables))

    def start(self, *words: str | Path, **variables: str) -> Command:
        return self.start_program(*COMMAND, *words, **variables)

    def start_program(self, *words: str | Path, **variables: str) -> Command:
        self.started.append(start(words, self.folder, self.environment(variables)))
        return self.started[-1]

    def serve(self, *options: str) -> str:
        """Starts the server, on the port it had before if it was killed; its URL."""
        port = "0" if self.server is None else self.url.split(":")[2].split("/")[0]
        words = ["sandbox", "serve", "--json", "--directory", "server", "--port", port]
        self.server = self.start(*words, "--unblock-interval", "0.2", *options)
        announced = json.loads(self.server.until("url"))
        assert_documented("sandbox serve", announced)
        self.url = announced["url"]
        return self.url

    def submit(self, specification: str, *options: str) -> int:
        path = self.folder / "workflow.yaml"
        path.write_text(specification)
        submitted = self.run("submit", path, "--json", *options)
        assert submitted.returncode == 0, submitted.stderr
        values = json.loads(submitted.stdout)
        assert_documented("submit", values)
        workflow_id: int = values["workflow_id"]
        return workflow_id

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that the server answers with, as any client of Torc might ask for it."""
        return send_request(method, self.url + path, body)

    def rows(self, query: str) -> list[Any]:
        """What the server's database holds: tuples, or values where one column is asked for."""
        return _rows(self.folder / "server" / "torc.db", query)

    def journaled(self, query: str) -> list[Any]:
        return _rows(self.home / "journal.db", query)

    def database(self) -> list[str]:
        """Every row of the server."""
        path = self.folder / "server" / "torc.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return list(database.iterdump())

    def state(self) -> dict[Path, bytes]:
        """Every file of the state folder."""
        return {path: path.read_bytes() for path in self.home.rglob("*") if path.is_file()}

    def hold(self) -> None:
        """Makes the patient job's two fifos."""
        self.output.mkdir(exist_ok=True)
        os.mkfifo(self.output / "runs")
        os.mkfifo(self.output / "end")

    def wait_for_job(self) -> None:
        (self.output / "runs").read_text()

    def end_job(self, status: int) -> None:
        (self.output / "end").write_text(f"{status}\n")

    def processes(self) -> dict[int, str]:
        """Every living process that was started from here, directly or not: command by number."""
        ours = f"TORC_WATCHD_HOME={self.home}\0".encode()
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                if ours in (path / "environ").read_bytes() + b"\0":
                    found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        return found

    def end_everything(self) -> None:
        while living := self.processes():
            for pid in living:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for command in self.started:
            with command.process:  # closes its pipe and waits
                pass

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        kept = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("TORC_") and name != "PYTHONUNBUFFERED"
        }
        ours = {
            "TORC_WATCHD_HOME": str(self.home),
            "TORC_API_URL": self.url,
            "USER": "tester",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_CONFIG_DIRS": str(self.folder / "etc"),
        }
        return kept | ours | variables


class Proxy(ThreadingHTTPServer):
    """Stands before a server, and answers as it likes."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Between)
        self.target = target.removeprefix("http://").split("/")[0]
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answer: Callable[[_Between], bytes] = _Between.forward

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed leave in the middle: that is what this proxy is for."""


class _Between(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def forward(self) -> bytes:
        """The server's own answer, headers and all."""
        connection = HTTPConnection(self.server.target, timeout=TIMEOUT)
        with closing(connection):
            connection.request(self.command, self.path, self.content, dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
        head = f"HTTP/1.1 {answer.status} {answer.reason}\r\nConnection: close\r\n"
        kind = f"Content-Type: {answer.getheader('Content-Type')}\r\n\r\n"
        return (head + kind).encode() + body

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def _answer(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.split("?")[0].endswith("/events/stream"):
            self.wfile.write(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
        else:
            self.wfile.write(self.server.answer(self))
        self.close_connection = True


@dataclass(slots=True)
class Barrier:
    """Holds up the first change that a proxy is asked for, before or after the server makes it."""

    path: str = ""  # the end of the change's path, or an empty text for any change
    after: bool = False
    asked: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: _Between) -> bytes:
        if request.command == "GET" or not request.path.endswith(self.path):
            return request.forward()
        answer = request.forward() if self.after else b""
        self.asked = request.path
        self.reached.set()
        self.opened.wait()
        return answer

    def wait(self) -> None:
        assert self.reached.wait(TIMEOUT), "no such change was asked for"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder without a server."""
    site = Site(tmp_path)
    yield site
    site.end_everything()


@pytest.fixture
def served(site: Site) -> Site:
    """A folder with a server that has no workflow."""
    site.serve()
    return site


@pytest.fixture
def failed(site: Site, _failed_once: Path) -> Site:
    """A server whose workflow 1 really ran: one job worked, two failed, one waits in vain."""
    shutil.copytree(_failed_once, site.folder, dirs_exist_ok=True)
    site.serve()
    return site


@pytest.fixture
def make_proxy() -> Iterator[Callable[[str], Proxy]]:
    with ExitStack() as stack:

        def make(target: str) -> Proxy:
            proxy = stack.enter_context(Proxy(target))
            thread = threading.Thread(target=proxy.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(proxy.shutdown)
            return proxy

        yield make


@pytest.fixture
def make_barrier() -> Iterator[Callable[..., Barrier]]:
    """Puts a barrier into a proxy, in the place of the one before, which is opened."""
    made: list[Barrier] = []

    def make(proxy: Proxy, *, path: str = "", after: bool = False) -> Barrier:
        barrier = Barrier(path, after)
        proxy.answer = barrier
        for earlier in made:
            earlier.opened.set()
        made.append(barrier)
        return barrier

    yield make
    for barrier in made:
        barrier.opened.set()


@pytest.fixture
def patient(served: Site) -> Site:
    """A server whose workflow 1 has a job that runs until it is told to end."""
    served.hold()
    served.submit(PATIENT)
    served.wait_for_job()
    return served


@pytest.fixture(scope="session")
def _failed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("failed"))
    try:
        site.serve()
        site.submit(ORDINARY)
        watched = site.run("watch", "1", "-p", "1")
        assert watched.returncode == 1, watched.stdout + watched.stderr
        assert site.server is not None
        site.server.interrupt()  # in order, so that the database is one file
    finally:
        site.end_everything()
    return site.folder


def _rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute(query).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]
