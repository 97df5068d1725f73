"""The real Torc that scripts/setup-torc builds, and servers in processes of their own."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torc_watch.torc.transport import API_PATH

VERSIONS = ("0.12.2", "1.0.0")


def home_of(version: str) -> Path:
    """The folder that cargo filled, or would fill; programs are in its ``bin``."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torc-watch-torc"
    return Path(os.environ.get("TORC_WATCH_TORC_HOME") or cache) / version


def clean_environment() -> dict[str, str]:
    """Ours, but for what would tell a program of a server or a cluster that is not the test's."""
    strange = ("TORC_", "SLURM_")
    return {name: text for name, text in os.environ.items() if not name.startswith(strange)}


def server_command(
    program: Path, directory: Path, *, port: int = 0, unblock_interval: float = 30
) -> list[str]:
    """A ``torc-server`` with its database in a folder; the seconds are between its looks."""
    command = [str(program), "run", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--database", str(directory / "torc.db"), "--log-level", "error"]
    return [*command, "--completion-check-interval-secs", str(unblock_interval)]


@contextmanager
def serving(command: Sequence[str], log: Path) -> Iterator[str]:
    """The URL at which a server says that it listens; it is killed in the end.

    Raises RuntimeError when it ends by itself before.
    """
    with (
        log.open("a") as kept,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=kept, text=True, env=clean_environment()
        ) as process,
    ):
        assert process.stdout is not None
        reader = threading.Thread(target=shutil.copyfileobj, args=(process.stdout, kept))
        try:
            url = announced_url(iter(process.stdout.readline, ""))
            reader.start()  # or the server would stand still once the pipe is full
            yield url
        finally:
            process.kill()
            process.wait()
            if reader.ident is not None:
                reader.join()


def announced_url(lines: Iterable[str]) -> str:
    """The URL of a real server or an embedded one, from the line in which it says so."""
    seen = []
    for line in lines:
        seen.append(line)
        if line.startswith("TORC_SERVER_PORT="):
            return f"http://127.0.0.1:{int(line.partition('=')[2])}{API_PATH}"
        if line.startswith('{"url"'):
            return str(json.loads(line)["url"])
    raise RuntimeError(f"The server did not start: {''.join(seen)}")
