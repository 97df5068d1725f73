"""Fixtures that several unit tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, unlike ``tmp_path``."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the work of threads in the loop: virtual time would pass while a thread works."""

    async def run_sync(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)
