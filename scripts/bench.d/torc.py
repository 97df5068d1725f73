"""torc-watch compared with the real Torc, on one real server: `scripts/bench torc`."""

import tempfile
from pathlib import Path

import torc_idle
import torc_recover
from real_torc import find_real_torc

from tests.rigs.real_torc import server_command, serving


async def measure(*, repetitions: int, seconds: float) -> dict[str, float]:
    """``repetitions`` of each recovery by each program; ``seconds`` of watching for each size."""
    torc = find_real_torc()
    print(f"The Torc in {torc.home} was built with cargo's profile {torc.profile}.", flush=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        command = server_command(torc.server, directory)
        with serving(command, directory / "server.log") as url:
            recovered = await torc_recover.measure(torc, url, directory, repetitions)
            print(
                f"\n{repetitions} recoveries by each program:\n\n{torc_recover.table(recovered)}\n"
            )
            watched = await torc_idle.measure(torc, url, directory, seconds)
            print(f"\n{seconds:.0f} s of idle watching:\n\n{torc_idle.table(watched)}\n")
    return recovered | watched
