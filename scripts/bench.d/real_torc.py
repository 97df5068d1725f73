"""The real Torc that scripts/setup-torc builds: its programs, and how they were compiled."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.real_torc import home_of

_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class RealTorc:
    """An installation: a folder that cargo filled."""

    home: Path

    @property
    def client(self) -> Path:
        return self.home / "bin" / "torc"

    @property
    def server(self) -> Path:
        return self.home / "bin" / "torc-server"

    @property
    def profile(self) -> str:
        """Cargo's name for how it was compiled: ``release``, or ``dev`` for a debug build."""
        try:
            installed = json.loads((self.home / ".crates2.json").read_text())["installs"]
        except FileNotFoundError:
            return "unknown"
        return "/".join(sorted({install["profile"] for install in installed.values()}))


def find_real_torc() -> RealTorc:
    """What the tests would use too. Ends the process if it is not there."""
    found = RealTorc(home_of(_VERSION))
    if not (found.client.exists() and found.server.exists()):
        sys.exit(f"{found.home} holds no real Torc: run scripts/setup-torc")
    return found
