"""Live events: sequence, levels, and listeners that are too slow."""

import json
from typing import Any

import pytest

from torc_watch.sandbox.server.broadcast import BUFFER, Broadcaster, Listener, level_of
from torc_watch.sandbox.server.calls import Announcement, Severity


def announcement(number: int, workflow_id: int = 1, severity: Severity = "info") -> Announcement:
    return Announcement(workflow_id, number, "job_started", severity, {"job_id": number})


async def queued_frames(listener: Listener, level: Severity = "info") -> list[str]:
    """The frames that are queued for a closed listener."""
    return [frame async for frame in listener.frames(1, level)]


async def test_listener_gets_later_events_of_its_workflow_in_sequence() -> None:
    broadcaster = Broadcaster()
    broadcaster.send(announcement(0))
    listener = broadcaster.listen()
    for number, workflow_id in ((1, 1), (2, 2), (3, 1)):
        broadcaster.send(announcement(number, workflow_id))
    broadcaster.close()
    frames = await queued_frames(listener)
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
async def test_listener_gets_events_of_its_level_and_above(
    level: Severity, numbers: list[int]
) -> None:
    listener = Listener()
    severities: tuple[Severity, ...] = ("debug", "info", "warning", "error")
    for number, severity in enumerate(severities):
        listener.put(announcement(number, severity=severity))
    listener.close()
    frames = await queued_frames(listener, level)
    assert [data_of(frame)["data"]["job_id"] for frame in frames] == numbers


async def test_slow_listener_loses_the_oldest_events_and_gets_a_warning() -> None:
    listener = Listener()
    listener.put(announcement(1))
    for number in range(BUFFER + 2):
        listener.put(announcement(number, workflow_id=2))
    listener.put(announcement(2))
    listener.close()
    frames = await queued_frames(listener)
    assert frames[0] == 'event: warning\ndata: {"dropped": 4}\n\n'
    assert [data_of(frame)["data"]["job_id"] for frame in frames[1:]] == [2]


async def test_removed_listener_gets_no_events() -> None:
    broadcaster = Broadcaster()
    listener = broadcaster.listen()
    broadcaster.forget(listener)
    broadcaster.send(announcement(1))
    listener.close()
    assert await queued_frames(listener) == []


@pytest.mark.parametrize(
    ("text", "level"), [(None, "info"), ("debug", "debug"), ("error", "error"), ("loud", "info")]
)
def test_level_defaults_to_info(text: str | None, level: Severity) -> None:
    assert level_of(text) == level


def data_of(frame: str) -> Any:
    return json.loads(frame.split("data: ", 1)[1])
