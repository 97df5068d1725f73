"""The command line lists its commands without importing their modules."""

import inspect
import re
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from torc_watch.cli import COMMANDS, app
from torc_watch.cli.lazy_commands import LazyCommand, load
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.daemon.commands import OPTION_NAMES, WatchOptions


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_help_line_is_the_first_line_of_the_commands_own_help(command: LazyCommand) -> None:
    assert command.get_short_help_str(200) == command.load().get_short_help_str(200)


@pytest.mark.parametrize("words", ["", "--json"])
def test_interrupt_while_a_command_is_imported(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    def interrupt(_: LazyCommand) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LazyCommand, "load", interrupt)
    ended = CliRunner().invoke(app, ["list", *words.split()])

    assert ended.exit_code == 130
    assert ended.stderr == "torc-watchd: interrupted.\n"


@pytest.mark.parametrize("name", ["add:add", "set:set_", "watch:watch"])
def test_commands_have_all_options_of_a_watch(name: str) -> None:
    assert inspect.signature(load(name)).parameters.keys() >= OPTION_NAMES


def test_watch_options_take_the_place_of_their_parameter() -> None:
    @with_watch_options("max_retries", "recovery_hook")
    def command(first: int, *, watch_options: WatchOptions, last: str) -> object:
        return first, watch_options, last

    assert list(inspect.signature(command).parameters) == [
        *("first", "max_retries", "recovery_hook", "last")
    ]
    assert command(first=1, max_retries=2, recovery_hook="notify 'a b'", last="x") == (
        1,
        WatchOptions(max_retries=2, recovery_hook=("notify", "a b")),
        "x",
    )


def all_help(words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The help of each command, and of each command of a group."""
    text = CliRunner().invoke(app, [*words, "--help"]).stdout
    yield " ".join(words), text
    listed = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
    for name in re.findall(r"^  ([\w-]+)", listed, re.MULTILINE):
        yield from all_help((*words, name))


def test_help_has_no_types_of_python_and_no_inequalities() -> None:
    found = dict(all_help())
    assert len(found) > 30
    for words, text in found.items():
        typed = re.findall(r"<[^>|]*>", text)
        assert not typed, f"{words} --help shows {typed}"
        assert "(default" not in text
        assert not re.findall(r"\[default: \(|x>=|<=x", text), f"{words} --help"


@pytest.mark.parametrize("command", ["watch", "add", "set", "recover"])
def test_help_says_that_the_hook_is_no_shell(command: str) -> None:
    text = CliRunner().invoke(app, [command, "--help"]).stdout
    assert "No shell runs it" in " ".join(text.split())
