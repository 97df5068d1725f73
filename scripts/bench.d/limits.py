"""What the limits hold: `scripts/bench limits`.

The daemon's memory while a server sends without end; a large workflow submitted, beside Torc's own
commands, if there is a real Torc; and the start of commands, beside another checkout if given.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import anyio
import command_start
import large_submission
from daemon_place import Place, place
from endless_server import open_endless_server

from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

_SECONDS = 20  # of each kind of endless answer
# The end of the paths whose answers have none. The daemon looks at a workflow before it listens.
_ENDLESS: Mapping[str, tuple[str, ...]] = {
    "nothing": (),
    "every answer": ("/version", "/1", "/status", "/is_complete", "_nodes", "/events/stream"),
    "lists": ("_nodes", "/jobs"),
    "events": ("/events/stream",),
}


async def measure(*, jobs: int, other: Path | None) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, ends in _ENDLESS.items():
        peak, sent = await _peak_memory(ends)
        values[f"limits: daemon, endless: {name}: peak resident, MiB"] = peak
        values[f"limits: daemon, endless: {name}: sent, MiB"] = sent
    values |= await command_start.measure(other)
    return values | await large_submission.measure(jobs)


async def _peak_memory(ends: tuple[str, ...]) -> tuple[float, float]:
    """MiB of the daemon at most, and MiB that the server could send."""
    with tempfile.TemporaryDirectory() as name:
        async with (
            place(Path(name)) as origin,
            open_endless_server(origin.client.transport.connection.url) as server,
            Transport(Connection(url=server.url)) as transport,
        ):
            before = Place(Path(name), await TorcClient.connect(transport))
            await before.create_workflows(1)
            before.register(1)
            server.is_endless = lambda path: bool(ends) and path.endswith(ends)
            async with before.daemon() as daemon:
                await anyio.sleep(_SECONDS)
                return _peak(daemon.pid), server.sent / 2**20


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) / 1024
