"""The server's event stream, a hint that something has changed.

It has no replay and no heartbeat, events may be dropped, and many changes cause none. Callers must
poll as well.
"""

from collections.abc import AsyncGenerator

from torc_watch.torc.transport import Transport


async def stream_event_types(transport: Transport, workflow_id: int) -> AsyncGenerator[str, None]:
    """Yields the types of the workflow's events, such as ``job_failed``, as they happen.

    Ends when the server ends the stream. Raises subclasses of ServerError. A consumer that stops
    early must close the generator (``contextlib.aclosing``).
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
