"""The settings of an embedded server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

TorcApi = Literal["0.12", "1.0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """``directory`` holds the database; ``accounts`` (user to password) may log in.

    Without accounts no password is needed. ``unblock_interval`` is in seconds: dependents of a
    finished job stay blocked for up to that long.
    """

    directory: Path
    api_version: TorcApi = "1.0"
    unblock_interval: float = 30.0
    accounts: Mapping[str, str] = field(default_factory=dict)
