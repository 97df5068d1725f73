"""Events in words, for tables."""

from typing import get_args

from torc_watch.daemon.daemon_events import WorkflowEvent
from torc_watch.render.event_words import EVENT_WORDS, event_words


def test_every_event_of_a_workflow_has_plain_words() -> None:
    names = {kind.name for kind in get_args(WorkflowEvent)}
    assert names <= EVENT_WORDS.keys()
    assert all(len(words) <= 40 for words in EVENT_WORDS.values())


def test_event_of_another_version_is_shown_by_its_name() -> None:
    assert event_words("some.new_event") == "some new event"
