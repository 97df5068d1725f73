"""The daemon put together: reloading its configuration, and removing old records."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from torc_watch.app.daemon_app import DaemonApp
from torc_watch.config.settings import Settings
from torc_watch.core.errors import ConfigurationAway, InvalidInput, JournalError
from torc_watch.daemon.daemon_events import ConfigurationRead, DaemonEvent


def test_reload_is_announced_and_requested(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, timeout=5)

    said, service = reloaded(Settings(home=tmp_path), lambda: settings)

    assert said == [ConfigurationRead()]
    assert service.requests.take_reload()


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        (InvalidInput("There is no setting 'x'."), "There is no setting 'x'."),
        (ConfigurationAway("It cannot be read."), "It cannot be read."),
        (
            Settings(home=Path("/elsewhere")),
            "home has changed: restart torc-watchd for that.",
        ),
        (
            Settings(home=Path("/home"), lease_patience=7),
            "lease_patience has changed: restart torc-watchd for that.",
        ),
    ],
)
def test_invalid_configuration_changes_nothing(outcome: Exception | Settings, problem: str) -> None:
    def load() -> Settings:
        if isinstance(outcome, Settings):
            return outcome
        raise outcome

    said, service = reloaded(Settings(home=Path("/home")), load)

    assert said == [ConfigurationRead(problem=problem)]
    assert not service.requests.take_reload()


def reloaded(
    settings: Settings, load: Callable[[], Settings]
) -> tuple[list[DaemonEvent], DaemonApp]:
    said: list[DaemonEvent] = []
    service = DaemonApp(settings, load, lambda *_: None, said.append)
    service.reload()
    return said, service


@pytest.mark.looptime
async def test_old_records_are_removed_at_the_start_and_each_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    async def run_sync(_: Callable[..., object], home: Path, *__: object) -> None:
        asked.append(anyio.current_time())
        raise JournalError(f"{home} is away.")

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)
    settings = Settings(home=tmp_path)
    service = DaemonApp(settings, lambda: settings, lambda *_: None, lambda _: None)
    with anyio.move_on_after(60 * 3600):
        await service._prune()

    assert asked == [0, 24 * 3600, 48 * 3600]
