"""What an embedded server is told when it is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ApiVersionName = Literal["0.12", "1.0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """``directory`` holds the database; a user of ``accounts`` (user to password) must log in.

    ``unblock_interval`` is in seconds: how long dependents of a finished job may stay blocked.
    """

    directory: Path
    api_version: ApiVersionName = "1.0"
    unblock_interval: float = 30.0
    accounts: Mapping[str, str] = field(default_factory=dict)
