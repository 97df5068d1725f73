"""The files in which Torc's runner keeps results while its server is away."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

_TABLE = (
    "CREATE TABLE journaled_completions (job_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL,"
    " status INTEGER NOT NULL, payload TEXT NOT NULL, journaled_at INTEGER NOT NULL)"
)


def keep_results(output_dir: Path, *job_ids: int, run_id: int = 1) -> Path:
    """The file of a runner of workflow 1 that was killed: its last results are in SQLite's log."""
    folder = output_dir / "offline_journal"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"offline_results_wf1_r{run_id}_slurm_wf1_sl1_n0_pid1.db"
    with TemporaryDirectory() as node, closing(sqlite3.connect(Path(node) / name)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(_TABLE)
        database.executemany(
            "INSERT INTO journaled_completions VALUES (?, ?, 5, '{}', 0)",
            [(job_id, run_id) for job_id in job_ids],
        )
        database.commit()
        shutil.copytree(node, folder, dirs_exist_ok=True)
    return folder / name
