"""Fixtures that several unit tests share."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the work of threads in the loop: virtual time would pass while a thread works."""

    async def run_sync(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)
