"""A real `systemd --user` with its journal for each test, in namespaces that end with the test.

They have no Slurm, even if this machine has it: a test that needs it writes stub commands.
"""

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

import torc_watch

TIMEOUT = 90  # seconds; long, for busy machines
_USER, _NUMBER = "tester", 20017
_HOME = Path(f"/run/home/{_USER}")
_CHECKOUT = Path(torc_watch.__file__).parent.parent
_COMMAND = (sys.executable, "-m", "torc_watch")
_SCRIPTS = Path(__file__).parent
_READABLE = (_CHECKOUT, sys.prefix, sys.base_prefix)
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_CONTAINER = _CACHE / "torc-watch-systemd"
_NAMESPACES = ("--mount", "--cgroup", "--pid")
_PROGRAMS = ("unshare", "nsenter", "setpriv", "systemctl", "journalctl")
_MANAGER = Path("/usr/lib/systemd/systemd")


def _skip(reason: str) -> NoReturn:
    if "user-manager" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(slots=True)
class Machine:
    """``pid`` is a process in the namespaces; commands enter them through it."""

    pid: int
    stack: ExitStack
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The user's home, as a path outside the namespaces."""
        return Path(f"/proc/{self.pid}/root{_HOME}")

    def run(self, *words: str | Path, status: int | None = 0) -> str:
        """Runs a command as the user and returns its output; ``status`` None accepts any status."""
        done = subprocess.run(
            self._inside(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        assert status is None or done.returncode == status, done.stdout
        return done.stdout

    def torc_watchd(self, *words: str | Path, status: int | None = 0) -> str:
        return self.run(*_COMMAND, *words, status=status)

    def systemctl(self, *words: str, status: int | None = 0) -> str:
        return self.run("systemctl", "--user", *words, status=status)

    def show(self, *properties: str) -> dict[str, str]:
        text = self.systemctl("show", "torc-watchd", f"--property={','.join(properties)}")
        return dict(line.split("=", 1) for line in text.splitlines())

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Starts a command that runs until the end of the test."""
        process = subprocess.Popen(
            self._inside(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self.stack.callback(_end, process)
        return process

    def write(self, path: str | Path, text: str, mode: int = 0o644) -> None:
        """Writes a file of the user; ``path`` is relative to the home."""
        self.run("mkdir", "-p", Path(path).parent)
        (self.home / path).write_text(text)
        (self.home / path).chmod(mode)

    def serve(self) -> None:
        """Starts a Torc server for the user's commands and service."""
        process = self.start(*_COMMAND, "sandbox", "serve", "--json", "--port", "0")
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        self.variables["TORC_API_URL"] = url

    def submit(self, specification: str, *options: str) -> int:
        self.write("workflow.yaml", specification)
        answer = self.torc_watchd("submit", _HOME / "workflow.yaml", "--json", *options)
        workflow_id: int = json.loads(answer)["workflow_id"]
        return workflow_id

    def drop_in(self, *lines: str) -> None:
        """Adds settings to the unit, such as a shorter timeout."""
        path = Path(".config/systemd/user/torc-watchd.service.d/test.conf")
        self.write(path, "\n".join(["[Service]", *lines, ""]))
        self.systemctl("daemon-reload")

    def journal_until(self, *matches: str, number: int = 1) -> dict[str, Any]:
        """Waits for so many matching entries of the user's journal; returns the last one."""
        follow = ["journalctl", "--user", "--follow", "--no-tail", "--output=json", *matches]
        process = self.start(*follow)
        assert process.stdout is not None
        *_, line = (process.stdout.readline() for _ in range(number))
        entry: dict[str, Any] = json.loads(line)
        return entry

    def _inside(self, words: tuple[str | Path, ...]) -> list[str | Path]:
        enter = ["nsenter", "--target", str(self.pid), *_NAMESPACES, f"--wdns={_HOME}", "--"]
        become = ["setpriv", "--reuid", str(_NUMBER), "--regid", str(_NUMBER), "--clear-groups"]
        environment = {
            "HOME": str(_HOME),
            "USER": _USER,
            "PATH": f"{_HOME}/bin:/usr/local/bin:/usr/bin:/bin",
            "XDG_RUNTIME_DIR": f"/run/user/{_NUMBER}",
            "PYTHONPATH": str(_CHECKOUT),
            **self.variables,
        }
        variables = [f"{name}={value}" for name, value in environment.items() if value]
        return [*enter, *become, "env", "-i", *variables, *words]


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    process.stdout.close()  # the command is a child of nsenter, and ends with the machine
    process.kill()
    process.wait(TIMEOUT)


@contextmanager
def _control_group() -> Iterator[Path]:
    """A control group in which the namespaces start; all its processes must end."""
    root = Path("/sys/fs/cgroup")
    unified = root / "unified"
    group = (unified if unified.is_dir() else root) / f"torc-watch-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        _wait_until_empty(group)
        folders = [Path(folder) for folder, _, _ in os.walk(group, topdown=False)]
        for folder in folders:
            folder.rmdir()


def _wait_until_empty(group: Path) -> None:
    poller = select.poll()
    with (group / "cgroup.events").open() as events:
        poller.register(events, select.POLLPRI)  # signaled on changes
        while "populated 1" in events.read():
            poller.poll(1000)
            events.seek(0)


@contextmanager
def _started(group: Path, script: str, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    join = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(group)]
    apart = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
    with subprocess.Popen(
        [*join, *apart, "--propagation", "private", "sh", str(_SCRIPTS / script), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_CHECKOUT)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # this also kills all processes in the namespaces


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group for the processes of a test."""
    if os.geteuid() != 0:
        _skip("only root can create the namespaces of a service manager")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing or not _MANAGER.exists():
        _skip(f"missing: {missing or _MANAGER}; run scripts/setup-systemd")
    with _control_group() as group:
        yield group


@pytest.fixture
def machine(group: Path) -> Iterator[Machine]:
    start = _started(group, "user-manager.sh", _USER, str(_NUMBER), *_READABLE)
    with start as process, ExitStack() as stack:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "ready\n":
            _skip(f"no user manager can be started here: {process.stderr.read()}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield Machine(int(children), stack)


@pytest.fixture
def boot(group: Path, tmp_path: Path) -> Callable[[str, Mapping[str, str]], str]:
    """Boots a system with files in /etc, runs a script as root, and returns its output."""
    nspawn = shutil.which("systemd-nspawn", path=f"{os.environ['PATH']}:{_CONTAINER / 'usr/bin'}")
    if nspawn is None:
        _skip("systemd-nspawn is missing; run scripts/setup-systemd")

    def run(script: str, files: Mapping[str, str]) -> str:
        (tmp_path / "test.sh").write_text(script)
        for name, text in files.items():
            (tmp_path / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "etc" / name).write_text(text)
        whom = (_USER, str(_NUMBER))
        with _started(group, "boot.sh", nspawn, tmp_path, *whom, *_READABLE) as process:
            console, error = process.communicate(timeout=TIMEOUT)
        log = tmp_path / "out/log"
        if not log.exists():
            _skip(f"no system can be booted here: {error or console}")
        printed = log.read_text()
        assert process.returncode == 0, printed
        return printed

    return run
