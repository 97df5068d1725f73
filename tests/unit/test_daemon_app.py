"""The complete daemon: it reloads its configuration, and removes old records."""

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

    reported, app = reloaded(Settings(home=tmp_path), lambda: settings)

    assert reported == [ConfigurationRead()]
    assert app.requests.take_reload()


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

    reported, app = reloaded(Settings(home=Path("/home")), load)

    assert reported == [ConfigurationRead(problem=problem)]
    assert not app.requests.take_reload()


def test_servers_share_a_cluster_until_a_reload_or_a_new_lease(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    app = DaemonApp(settings, lambda: settings, lambda *_: None, lambda _: None)

    first = app._shared_cluster()
    assert app._shared_cluster() is first
    app.reload()
    second = app._shared_cluster()
    app._lease.epoch = 2
    third = app._shared_cluster()

    assert len({id(cluster) for cluster in (first, second, third)}) == 3
    assert app._shared_cluster() is third


def reloaded(
    settings: Settings, load: Callable[[], Settings]
) -> tuple[list[DaemonEvent], DaemonApp]:
    reported: list[DaemonEvent] = []
    app = DaemonApp(settings, load, lambda *_: None, reported.append)
    app.reload()
    return reported, app


@pytest.mark.looptime
async def test_old_records_are_removed_at_the_start_and_each_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called_at: list[float] = []

    async def run_sync(_: Callable[..., object], home: Path, *__: object) -> None:
        called_at.append(anyio.current_time())
        raise JournalError(f"{home} is not available.")

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)
    settings = Settings(home=tmp_path)
    app = DaemonApp(settings, lambda: settings, lambda *_: None, lambda _: None)
    with anyio.move_on_after(60 * 3600):
        await app._prune()

    assert called_at == [0, 24 * 3600, 48 * 3600]
