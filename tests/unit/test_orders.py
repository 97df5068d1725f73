"""What becomes of a workflow when a person says something about it."""

from dataclasses import replace

import pytest

from torc_watch.core.orders import (
    Choices,
    Condition,
    Entry,
    Order,
    Removed,
    Unknown,
    Verb,
    follow,
    problem_of,
    remark_on,
)

CHOICES = Choices(max_retries=3, poll_interval=60.0)
WATCHED = Entry(server="s", workflow_id=42, choices=CHOICES, condition=Condition.WATCHED)
PAUSED = replace(WATCHED, condition=Condition.PAUSED)
ENDED = replace(WATCHED, condition=Condition.ENDED, verdict="handed_over", reason="Look.")
NEW = replace(WATCHED, choices=Choices())
UNREADABLE = replace(NEW, condition=Condition.UNREADABLE, reason="Upgrade.")
MORE = Choices(max_retries=6)
CHANGED = Choices(max_retries=6, poll_interval=60.0)


def order(verb: Verb, choices: Choices = Choices()) -> Order:  # noqa: B008 - a frozen value
    return Order(verb=verb, server="s", workflow_id=42, choices=choices)


@pytest.mark.parametrize(
    ("entry", "given", "expected"),
    [
        (None, order(Verb.ADD), NEW),
        (None, order(Verb.ADD, CHOICES), WATCHED),
        (WATCHED, order(Verb.ADD), WATCHED),
        (WATCHED, order(Verb.ADD, MORE), replace(WATCHED, choices=CHANGED)),
        (PAUSED, order(Verb.ADD), WATCHED),
        (ENDED, order(Verb.ADD), WATCHED),
        (WATCHED, order(Verb.SET, MORE), replace(WATCHED, choices=CHANGED)),
        (PAUSED, order(Verb.SET, MORE), replace(PAUSED, choices=CHANGED)),
        (ENDED, order(Verb.SET, MORE), replace(ENDED, choices=CHANGED)),
        (WATCHED, order(Verb.PAUSE), PAUSED),
        (PAUSED, order(Verb.PAUSE), PAUSED),
        (ENDED, order(Verb.PAUSE), ENDED),
        (WATCHED, order(Verb.RESUME), WATCHED),
        (PAUSED, order(Verb.RESUME), WATCHED),
        (ENDED, order(Verb.RESUME), WATCHED),
        (WATCHED, order(Verb.REMOVE), Removed()),
        (ENDED, order(Verb.REMOVE), Removed()),
        (UNREADABLE, order(Verb.ADD, CHOICES), WATCHED),
        (UNREADABLE, order(Verb.REMOVE), Removed()),
        (None, order(Verb.REMOVE), Unknown(order(Verb.REMOVE))),
        *[
            (entry, order(verb), Unknown(order(verb)))
            for entry in (None, UNREADABLE)
            for verb in (Verb.SET, Verb.PAUSE, Verb.RESUME)
        ],
    ],
)
def test_what_becomes_of_a_workflow(
    entry: Entry | None, given: Order, expected: Entry | Removed | Unknown
) -> None:
    after = follow(entry, given)

    assert after == expected
    if isinstance(after, Entry):
        assert follow(after, given) == after


def test_newer_choices_change_what_they_name() -> None:
    assert CHOICES.changed_by(MORE) == CHANGED
    assert CHOICES.changed_by(Choices()) == CHOICES


def test_what_is_unset_follows_the_configuration_again() -> None:
    given = Order(
        verb=Verb.SET, server="http://s", workflow_id=42, choices=MORE, unset=("poll_interval",)
    )
    assert follow(WATCHED, given) == replace(WATCHED, choices=MORE)
    assert follow(WATCHED, replace(given, choices=Choices())) == replace(
        WATCHED, choices=Choices(max_retries=3)
    )
    assert problem_of(given) is None
    assert problem_of(replace(given, unset=("__class__",))) == (
        "asks for what cannot be: unset __class__"
    )


@pytest.mark.parametrize(
    ("entry", "verb", "words"),
    [
        (None, Verb.ADD, ""),
        (WATCHED, Verb.ADD, "was looked after already"),
        (ENDED, Verb.ADD, "begins anew, with all its retries"),
        (ENDED, Verb.RESUME, "begins anew, with all its retries"),
        (PAUSED, Verb.RESUME, ""),
        (PAUSED, Verb.SET, "is paused"),
        (ENDED, Verb.SET, "resume begins a new one"),
        (ENDED, Verb.PAUSE, "has ended already"),
        (ENDED, Verb.REMOVE, ""),
    ],
)
def test_what_a_person_is_told_besides(entry: Entry | None, verb: Verb, words: str) -> None:
    said = remark_on(entry, verb)
    assert words in said
    assert bool(words) == bool(said)
