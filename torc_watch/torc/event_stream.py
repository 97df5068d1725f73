"""The server's event stream, as a hint that something happened.

It has no replay and no sign of life, events may be dropped, and many changes cause none. Whoever
listens still polls.
"""

from collections.abc import AsyncGenerator

from torc_watch.torc.transport import Transport


async def stream_event_types(transport: Transport, workflow_id: int) -> AsyncGenerator[str, None]:
    """Types of the workflow's events, such as ``job_failed``, as they happen.

    Ends when the server ends the stream. Raises the errors below ServerError. A consumer that
    stops early closes the generator (``contextlib.aclosing``).
    """
    async with transport.stream(f"/workflows/{workflow_id}/events/stream") as lines:
        event = ""
        async for line in lines:
            name, _, value = line.partition(":")
            if name == "event":
                event = value.strip()
            elif not line and event:  # a blank line ends an event
                yield event
                event = ""
