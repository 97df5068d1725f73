"""Which versions of everything there are, for those who look for a cause from afar."""

import platform
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import anyio

from torc_watch.app.composition import open_client
from torc_watch.core.errors import ServerError
from torc_watch.host.subprocesses import run_command
from torc_watch.torc.transport import Connection

_SERVER_TIMEOUT = 10.0  # seconds
_PACKAGES = ("anyio", "httpx", "pydantic", "google-re2", "matplotlib")


async def read_versions(connection: Connection) -> dict[str, Any]:
    """An empty text is what could not be asked, or is not there."""
    return {
        "torc_watchd": version("torc-watch"),
        "python": sys.version.split()[0],
        "packages": {name: _package(name) for name in _PACKAGES},
        "torc_server": await _server(connection),
        "slurm": await _slurm(),
        "system": _system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "host": platform.node(),
    }


def _package(name: str) -> str:
    with suppress(PackageNotFoundError):
        return version(name)
    return ""


async def _server(connection: Connection) -> str:
    with suppress(ServerError, TimeoutError), anyio.fail_after(_SERVER_TIMEOUT):
        async with open_client(connection) as client:
            return client.version
    return ""


async def _slurm() -> str:
    asked = await run_command("sinfo", "--version")
    return asked.stdout if asked.succeeded else ""


def _system() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return platform.system()
