"""What each command does to a workflow, which commands are invalid, and the notes on them."""

from dataclasses import replace

import pytest

from torc_watch.daemon.commands import (
    MAX_INTERVAL,
    Action,
    Command,
    Removed,
    UnknownWorkflow,
    WatchedWorkflow,
    WatchOptions,
    WatchState,
    apply_command,
    note_for,
    validation_error,
)

OPTIONS = WatchOptions(max_retries=3, poll_interval=60.0)
WATCHED = WatchedWorkflow(server="s", workflow_id=42, options=OPTIONS, state=WatchState.WATCHED)
PAUSED = replace(WATCHED, state=WatchState.PAUSED)
ENDED = replace(WATCHED, state=WatchState.ENDED, verdict="handed_over", reason="Look.")
NEW = replace(WATCHED, options=WatchOptions())
UNREADABLE = replace(NEW, state=WatchState.UNREADABLE, reason="Upgrade.")
MORE = WatchOptions(max_retries=6)
CHANGED = WatchOptions(max_retries=6, poll_interval=60.0)


def command(action: Action, options: WatchOptions = WatchOptions()) -> Command:  # noqa: B008 - a frozen value
    return Command(action=action, server="s", workflow_id=42, options=options)


@pytest.mark.parametrize(
    ("workflow", "given", "expected"),
    [
        (None, command(Action.ADD), NEW),
        (None, command(Action.ADD, OPTIONS), WATCHED),
        (WATCHED, command(Action.ADD), WATCHED),
        (WATCHED, command(Action.ADD, MORE), replace(WATCHED, options=CHANGED)),
        (PAUSED, command(Action.ADD), WATCHED),
        (ENDED, command(Action.ADD), WATCHED),
        (WATCHED, command(Action.SET, MORE), replace(WATCHED, options=CHANGED)),
        (PAUSED, command(Action.SET, MORE), replace(PAUSED, options=CHANGED)),
        (ENDED, command(Action.SET, MORE), replace(ENDED, options=CHANGED)),
        (WATCHED, command(Action.PAUSE), PAUSED),
        (PAUSED, command(Action.PAUSE), PAUSED),
        (ENDED, command(Action.PAUSE), ENDED),
        (WATCHED, command(Action.RESUME), WATCHED),
        (PAUSED, command(Action.RESUME), WATCHED),
        (ENDED, command(Action.RESUME), WATCHED),
        (WATCHED, command(Action.REMOVE), Removed()),
        (ENDED, command(Action.REMOVE), Removed()),
        (UNREADABLE, command(Action.ADD, OPTIONS), WATCHED),
        (UNREADABLE, command(Action.REMOVE), Removed()),
        (None, command(Action.REMOVE), UnknownWorkflow(command(Action.REMOVE))),
        *[
            (workflow, command(action), UnknownWorkflow(command(action)))
            for workflow in (None, UNREADABLE)
            for action in (Action.SET, Action.PAUSE, Action.RESUME)
        ],
    ],
)
def test_effect_of_a_command(
    workflow: WatchedWorkflow | None,
    given: Command,
    expected: WatchedWorkflow | Removed | UnknownWorkflow,
) -> None:
    after = apply_command(workflow, given)

    assert after == expected
    if isinstance(after, WatchedWorkflow):
        assert apply_command(after, given) == after


def test_newer_options_replace_older_ones() -> None:
    assert OPTIONS.updated_with(MORE) == CHANGED
    assert OPTIONS.updated_with(WatchOptions()) == OPTIONS


def test_unset_option_follows_the_configuration_again() -> None:
    given = Command(
        action=Action.SET, server="http://s", workflow_id=42, options=MORE, unset=("poll_interval",)
    )
    assert apply_command(WATCHED, given) == replace(WATCHED, options=MORE)
    assert apply_command(WATCHED, replace(given, options=WatchOptions())) == replace(
        WATCHED, options=WatchOptions(max_retries=3)
    )
    assert validation_error(given) == ""
    assert validation_error(replace(given, unset=("__class__",))) == (
        "--unset must name an option (got '__class__')."
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (WatchOptions(), ""),
        (WatchOptions(max_retries=0, poll_interval=MAX_INTERVAL, memory_multiplier=1.01), ""),
        (WatchOptions(max_retries=-1), "--max-retries must be at least 0 (got -1)."),
        (
            WatchOptions(poll_interval=1e9),
            "--poll-interval must be at most 366 days (got 1000000000 s).",
        ),
        (WatchOptions(poll_interval=0), "--poll-interval must be greater than 0 s (got 0 s)."),
        (
            WatchOptions(poll_interval=float("nan")),
            "--poll-interval must be greater than 0 s (got nan s).",
        ),
        (
            WatchOptions(memory_multiplier=1.0),
            "--memory-multiplier must be greater than 1 and finite (got 1).",
        ),
        (
            WatchOptions(runtime_multiplier=float("inf")),
            "--runtime-multiplier must be greater than 1 and finite (got inf).",
        ),
        *(
            (
                WatchOptions(max_node_hours=hours),
                f"--max-node-hours must be greater than 0 and finite (got {hours:g}).",
            )
            for hours in (0.0, -1.0, float("inf"), float("nan"))
        ),
        (WatchOptions(max_allocations=0), "--max-allocations must be at least 1 (got 0)."),
        (
            WatchOptions(partition="a;b"),
            "--partition must be the name of one partition (got 'a;b').",
        ),
        (WatchOptions(walltime=0), "--walltime must be greater than 0 s (got 0 s)."),
        (
            WatchOptions(recovery_hook=("a\0",)),
            "--recovery-hook must be a command without NUL characters (got ('a\\x00',)).",
        ),
    ],
)
def test_invalid_options_are_named_with_their_limits(options: WatchOptions, problem: str) -> None:
    valid = Command(action=Action.SET, server="http://s", workflow_id=42)
    assert validation_error(replace(valid, options=options)) == problem


@pytest.mark.parametrize(
    ("workflow", "action", "words"),
    [
        (None, Action.ADD, ""),
        (WATCHED, Action.ADD, "was already watched"),
        (ENDED, Action.ADD, "a new watch starts, with all its retries"),
        (ENDED, Action.RESUME, "a new watch starts, with all its retries"),
        (PAUSED, Action.RESUME, ""),
        (WATCHED, Action.RESUME, "waits to run jobs again"),
        (PAUSED, Action.SET, "is paused"),
        (ENDED, Action.SET, "resume starts a new one"),
        (ENDED, Action.PAUSE, "has already ended"),
        (ENDED, Action.REMOVE, ""),
    ],
)
def test_note_for_the_user(workflow: WatchedWorkflow | None, action: Action, words: str) -> None:
    note = note_for(workflow, action)
    assert words in note
    assert bool(words) == bool(note)
