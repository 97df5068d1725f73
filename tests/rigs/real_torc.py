"""The real Torc built by scripts/setup-torc, and servers in separate processes."""

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
    """The folder into which cargo installs this version; programs are in its ``bin``."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torc-watch-torc"
    return Path(os.environ.get("TORC_WATCH_TORC_HOME") or cache) / version


def clean_environment() -> dict[str, str]:
    """This environment without the variables of Torc and Slurm."""
    excluded = ("TORC_", "SLURM_")
    return {name: text for name, text in os.environ.items() if not name.startswith(excluded)}


def server_command(
    program: Path, directory: Path, *, port: int = 0, unblock_interval: float = 30
) -> list[str]:
    """Runs ``torc-server`` with its database in a folder; ``unblock_interval`` is in seconds."""
    command = [str(program), "run", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--database", str(directory / "torc.db"), "--log-level", "error"]
    return [*command, "--completion-check-interval-secs", str(unblock_interval)]


@contextmanager
def serving(command: Sequence[str], log: Path) -> Iterator[str]:
    """Runs a server and yields its URL; kills it at the end.

    Raises RuntimeError if the server exits before it listens.
    """
    with (
        log.open("a") as output,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=output, text=True, env=clean_environment()
        ) as process,
    ):
        assert process.stdout is not None
        reader = threading.Thread(target=shutil.copyfileobj, args=(process.stdout, output))
        try:
            url = announced_url(iter(process.stdout.readline, ""))
            reader.start()  # so that the server does not block on a full pipe
            yield url
        finally:
            process.kill()
            process.wait()
            if reader.ident is not None:
                reader.join()


def announced_url(lines: Iterable[str]) -> str:
    """The URL that a real or an embedded server prints when it listens."""
    seen = []
    for line in lines:
        seen.append(line)
        if line.startswith("TORC_SERVER_PORT="):
            return f"http://127.0.0.1:{int(line.partition('=')[2])}{API_PATH}"
        if line.startswith("{"):
            return str(json.loads(line)["url"])
    raise RuntimeError(f"The server did not start: {''.join(seen)}")
