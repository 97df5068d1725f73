"""The real Torc that scripts/setup-torc builds: its programs and their build profile."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.real_torc import home_of

_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class RealTorc:
    """The folder of an installation by cargo."""

    home: Path

    @property
    def client(self) -> Path:
        return self.home / "bin" / "torc"

    @property
    def server(self) -> Path:
        return self.home / "bin" / "torc-server"

    @property
    def profile(self) -> str:
        """Cargo's build profile: ``release``, or ``dev`` for a debug build."""
        try:
            installed = json.loads((self.home / ".crates2.json").read_text())["installs"]
        except FileNotFoundError:
            return "unknown"
        return "/".join(sorted({install["profile"] for install in installed.values()}))


def find_real_torc() -> RealTorc:
    """The installation that the tests use as well. Exits if it is missing."""
    found = installed_torc()
    if found is None:
        sys.exit(f"Torc is not installed in {home_of(_VERSION)}. Run scripts/setup-torc.")
    return found


def installed_torc() -> RealTorc | None:
    found = RealTorc(home_of(_VERSION))
    return found if found.client.exists() and found.server.exists() else None
