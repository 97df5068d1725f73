"""What becomes of a workflow when a person says something about it."""

from dataclasses import replace

import pytest

from torc_watch.daemon.commands import (
    Action,
    Command,
    Removed,
    UnknownWorkflow,
    WatchedWorkflow,
    WatchOptions,
    WatchState,
    follow,
    problem_of,
    remark_on,
)

CHOICES = WatchOptions(max_retries=3, poll_interval=60.0)
WATCHED = WatchedWorkflow(server="s", workflow_id=42, choices=CHOICES, condition=WatchState.WATCHED)
PAUSED = replace(WATCHED, condition=WatchState.PAUSED)
ENDED = replace(WATCHED, condition=WatchState.ENDED, verdict="handed_over", reason="Look.")
NEW = replace(WATCHED, choices=WatchOptions())
UNREADABLE = replace(NEW, condition=WatchState.UNREADABLE, reason="Upgrade.")
MORE = WatchOptions(max_retries=6)
CHANGED = WatchOptions(max_retries=6, poll_interval=60.0)


def order(verb: Action, choices: WatchOptions = WatchOptions()) -> Command:  # noqa: B008 - a frozen value
    return Command(verb=verb, server="s", workflow_id=42, choices=choices)


@pytest.mark.parametrize(
    ("entry", "given", "expected"),
    [
        (None, order(Action.ADD), NEW),
        (None, order(Action.ADD, CHOICES), WATCHED),
        (WATCHED, order(Action.ADD), WATCHED),
        (WATCHED, order(Action.ADD, MORE), replace(WATCHED, choices=CHANGED)),
        (PAUSED, order(Action.ADD), WATCHED),
        (ENDED, order(Action.ADD), WATCHED),
        (WATCHED, order(Action.SET, MORE), replace(WATCHED, choices=CHANGED)),
        (PAUSED, order(Action.SET, MORE), replace(PAUSED, choices=CHANGED)),
        (ENDED, order(Action.SET, MORE), replace(ENDED, choices=CHANGED)),
        (WATCHED, order(Action.PAUSE), PAUSED),
        (PAUSED, order(Action.PAUSE), PAUSED),
        (ENDED, order(Action.PAUSE), ENDED),
        (WATCHED, order(Action.RESUME), WATCHED),
        (PAUSED, order(Action.RESUME), WATCHED),
        (ENDED, order(Action.RESUME), WATCHED),
        (WATCHED, order(Action.REMOVE), Removed()),
        (ENDED, order(Action.REMOVE), Removed()),
        (UNREADABLE, order(Action.ADD, CHOICES), WATCHED),
        (UNREADABLE, order(Action.REMOVE), Removed()),
        (None, order(Action.REMOVE), UnknownWorkflow(order(Action.REMOVE))),
        *[
            (entry, order(verb), UnknownWorkflow(order(verb)))
            for entry in (None, UNREADABLE)
            for verb in (Action.SET, Action.PAUSE, Action.RESUME)
        ],
    ],
)
def test_what_becomes_of_a_workflow(
    entry: WatchedWorkflow | None,
    given: Command,
    expected: WatchedWorkflow | Removed | UnknownWorkflow,
) -> None:
    after = follow(entry, given)

    assert after == expected
    if isinstance(after, WatchedWorkflow):
        assert follow(after, given) == after


def test_newer_choices_change_what_they_name() -> None:
    assert CHOICES.changed_by(MORE) == CHANGED
    assert CHOICES.changed_by(WatchOptions()) == CHOICES


def test_what_is_unset_follows_the_configuration_again() -> None:
    given = Command(
        verb=Action.SET, server="http://s", workflow_id=42, choices=MORE, unset=("poll_interval",)
    )
    assert follow(WATCHED, given) == replace(WATCHED, choices=MORE)
    assert follow(WATCHED, replace(given, choices=WatchOptions())) == replace(
        WATCHED, choices=WatchOptions(max_retries=3)
    )
    assert problem_of(given) is None
    assert problem_of(replace(given, unset=("__class__",))) == (
        "asks for what cannot be: unset __class__"
    )


@pytest.mark.parametrize(
    ("entry", "verb", "words"),
    [
        (None, Action.ADD, ""),
        (WATCHED, Action.ADD, "was looked after already"),
        (ENDED, Action.ADD, "begins anew, with all its retries"),
        (ENDED, Action.RESUME, "begins anew, with all its retries"),
        (PAUSED, Action.RESUME, ""),
        (PAUSED, Action.SET, "is paused"),
        (ENDED, Action.SET, "resume begins a new one"),
        (ENDED, Action.PAUSE, "has ended already"),
        (ENDED, Action.REMOVE, ""),
    ],
)
def test_what_a_person_is_told_besides(
    entry: WatchedWorkflow | None, verb: Action, words: str
) -> None:
    said = remark_on(entry, verb)
    assert words in said
    assert bool(words) == bool(said)
