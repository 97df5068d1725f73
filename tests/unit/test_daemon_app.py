"""The complete daemon: it reloads its configuration, and removes old records."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from torc_watch.app.daemon_app import DaemonApp
from torc_watch.config.settings import Settings, load_settings
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
@pytest.mark.usefixtures("no_threads")
async def test_changed_configuration_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    file = tmp_path / "torc-watchd" / "config.toml"
    reported: list[DaemonEvent] = []
    app = DaemonApp(Settings(home=tmp_path), load_settings, lambda *_: None, reported.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app._follow_configuration)
        await anyio.sleep(1000)
        assert reported == []

        file.parent.mkdir()
        file.write_text(f"home = '{tmp_path}'\nmax_retries = 7")
        await anyio.sleep(15)
        assert reported == [ConfigurationRead()]
        assert app._settings.max_retries == 7

        file.write_text("max_retries = 'many'")
        await anyio.sleep(1000)
        assert len(reported) == 2, "a problem is reported once"
        assert app._settings.max_retries == 7

        file.write_text(f"home = '{tmp_path}'\nmax_retries = 9")
        app.reload()
        await anyio.sleep(1000)
        assert len(reported) == 3, "it was read already"
        assert app._settings.max_retries == 9
        tasks.cancel_scope.cancel()


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
