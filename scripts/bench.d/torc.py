"""torc-watch beside the real Torc, on one real server: `scripts/bench torc`."""

import tempfile
from pathlib import Path

import torc_idle
import torc_recover
from hosting import torc_server
from real_torc import find_real_torc


async def measure(*, repetitions: int, seconds: float) -> dict[str, float]:
    """``repetitions`` of each recovery by either side, ``seconds`` of watching for each number."""
    torc = find_real_torc()
    print(f"{torc.home} was built with cargo's profile {torc.profile}.", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        async with torc_server(torc, Path(directory)) as url:
            recovered = await torc_recover.measure(torc, url, Path(directory), repetitions)
            print(f"\n{repetitions} recoveries by each:\n\n{torc_recover.table(recovered)}\n")
            watched = await torc_idle.measure(torc, url, Path(directory), seconds)
            print(f"\n{seconds:.0f} s of idle watching:\n\n{torc_idle.table(watched)}\n")
    return recovered | watched
