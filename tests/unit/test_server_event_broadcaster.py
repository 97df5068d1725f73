"""Live events: order, levels, and dropped events of a slow subscriber."""

import json
from typing import Any

import pytest

from torc_watch.sandbox.server.api_request import ServerEvent, Severity
from torc_watch.sandbox.server.event_broadcaster import (
    BUFFER,
    EventBroadcaster,
    Subscriber,
    parse_level,
)


def event(number: int, workflow_id: int = 1, severity: Severity = "info") -> ServerEvent:
    return ServerEvent(workflow_id, number, "job_started", severity, {"job_id": number})


async def frames_of(subscriber: Subscriber, level: Severity = "info") -> list[str]:
    """The buffered frames of a closed subscriber."""
    return [frame async for frame in subscriber.frames(1, level)]


async def test_subscriber_gets_new_events_of_its_workflow_in_order() -> None:
    broadcaster = EventBroadcaster()
    broadcaster.publish(event(0))
    subscriber = broadcaster.subscribe()
    for number, workflow_id in ((1, 1), (2, 2), (3, 1)):
        broadcaster.publish(event(number, workflow_id))
    broadcaster.close()
    frames = await frames_of(subscriber)
    assert [data_of(frame)["data"]["job_id"] for frame in frames] == [1, 3]
    assert frames[0].startswith("event: job_started\ndata: {")
    assert frames[0].endswith("}\n\n")
    assert data_of(frames[0]) == {
        "workflow_id": 1,
        "timestamp": 1,
        "event_type": "job_started",
        "severity": "info",
        "data": {"job_id": 1},
    }


@pytest.mark.parametrize(
    ("level", "numbers"),
    [("debug", [0, 1, 2, 3]), ("info", [1, 2, 3]), ("warning", [2, 3]), ("error", [3])],
)
async def test_events_below_the_level_are_omitted(level: Severity, numbers: list[int]) -> None:
    subscriber = Subscriber()
    severities: tuple[Severity, ...] = ("debug", "info", "warning", "error")
    for number, severity in enumerate(severities):
        subscriber.put(event(number, severity=severity))
    subscriber.close()
    frames = await frames_of(subscriber, level)
    assert [data_of(frame)["data"]["job_id"] for frame in frames] == numbers


async def test_slow_subscriber_loses_the_oldest_events_of_any_workflow_and_gets_a_warning() -> None:
    subscriber = Subscriber()
    subscriber.put(event(1))
    for number in range(BUFFER + 2):
        subscriber.put(event(number, workflow_id=2))
    subscriber.put(event(2))
    subscriber.close()
    frames = await frames_of(subscriber)
    assert frames[0] == 'event: warning\ndata: {"dropped": 4}\n\n'
    assert [data_of(frame)["data"]["job_id"] for frame in frames[1:]] == [2]


async def test_unsubscribed_subscriber_gets_no_more_events() -> None:
    broadcaster = EventBroadcaster()
    subscriber = broadcaster.subscribe()
    broadcaster.unsubscribe(subscriber)
    broadcaster.publish(event(1))
    subscriber.close()
    assert await frames_of(subscriber) == []


@pytest.mark.parametrize(
    ("text", "level"), [(None, "info"), ("debug", "debug"), ("error", "error"), ("loud", "info")]
)
def test_level_defaults_to_info(text: str | None, level: Severity) -> None:
    assert parse_level(text) == level


def data_of(frame: str) -> Any:
    return json.loads(frame.split("data: ", 1)[1])
