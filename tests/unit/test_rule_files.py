"""The files of rules where the configuration is, which may be anything."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from torc_watch.app.composition import rules
from torc_watch.config.settings import load_settings
from torc_watch.config.sources import state_folder
from torc_watch.core.errors import ConfigurationAway, InvalidInput, TorcWatchError
from torc_watch.failures.rule_file import own_rules

RULE = """
[[rule]]
name = "mine"
cause = "code"
pattern = "mine:"
says = "it is mine"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    folder = tmp_path / "user" / "torc-watchd"
    folder.mkdir(parents=True)
    return folder


def test_rules_of_a_user_come_first(folder: Path) -> None:
    (folder / "rules.toml").write_bytes(b"\xef\xbb\xbf" + RULE.encode())
    assert [rule.name for rule in rules()] == ["mine", *(rule.name for rule in own_rules())]


def test_device_without_content_has_no_rules(folder: Path) -> None:
    (folder / "rules.toml").symlink_to("/dev/null")
    assert rules() == own_rules()


@pytest.mark.parametrize(
    ("name", "read"),
    [("rules.toml", rules), ("config.toml", load_settings), ("config.toml", state_folder)],
)
def test_fifo_is_refused_at_once(folder: Path, name: str, read: Callable[[], object]) -> None:
    os.mkfifo(folder / name)
    with pytest.raises(ConfigurationAway, match=f"{name} cannot be read: It is no regular file"):
        read()


@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        (b"x = " + b"9" * 10_000, InvalidInput, "a number has too many digits"),
        (b"\xff\xfe", InvalidInput, "is not valid TOML"),
        (b"#" * 5_000_000, ConfigurationAway, "File too large"),
    ],
)
def test_file_that_cannot_be_used_is_named(
    folder: Path, content: bytes, kind: type[TorcWatchError], problem: str
) -> None:
    (folder / "rules.toml").write_bytes(content)
    with pytest.raises(kind, match=problem) as caught:
        rules()
    assert str(folder / "rules.toml") in str(caught.value)
