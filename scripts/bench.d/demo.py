"""The demo: its duration, and the time from the end of the last job to the new workers."""

import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

from anyio import to_thread


async def measure() -> dict[str, float]:
    """Seconds; the server recorded the end of the job and the start of the worker."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        await to_thread.run_sync(_run_demo, directory)
        took = time.perf_counter() - began
        gap = _from_last_end_to_first_worker(Path(directory) / "server" / "torc.db")
    return {"demo: wall time, s": took, "demo: last job's end to new worker, s": gap}


def _run_demo(directory: str) -> None:
    command = [sys.executable, "-m", "torc_watch", "demo", "--directory", directory]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _from_last_end_to_first_worker(database: Path) -> float:
    with closing(sqlite3.connect(database)) as connection:
        (ended,) = connection.execute(
            "SELECT max(completion_time) FROM result WHERE run_id = 1"
        ).fetchone()
        (started,) = connection.execute(
            "SELECT min(start_time) FROM compute_node WHERE start_time > ?", (ended,)
        ).fetchone()
    return (datetime.fromisoformat(started) - datetime.fromisoformat(ended)).total_seconds()
