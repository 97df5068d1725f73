"""The results that Torc's runner keeps in files while its server is away.

A runner of Torc 1.0 that cannot reach its server lets its jobs end, and writes their results into
an SQLite file in its output folder. It sends them when the server is back in time; otherwise
``torc workflows reconcile`` does. Until then such jobs count as running, although they have ended.
"""

import shlex
import shutil
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torc_watch.core.model import Workflow

_FOLDER = "offline_journal"
_TABLE = "SELECT name FROM sqlite_master WHERE name = 'journaled_completions'"
_WRITE_AHEAD_LOG = "-wal"  # has what the runner wrote last, if it was killed


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineResults:
    """Jobs whose results are in such files, and the files that cannot be read, with the reason."""

    job_ids: frozenset[int] = frozenset()
    unreadable: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.job_ids or self.unreadable)

    def reason(self, workflow: Workflow, output_dir: Path) -> str:
        """Why the workflow may not be recovered, and what to do; for results that there are."""
        folder = shlex.quote(str(output_dir.absolute()))
        send = f"torc workflows reconcile {workflow.id} {workflow.run_id} --base-dir {folder}"
        recover = f"torc-watchd recover {workflow.id}"
        if self.unreadable:
            return (
                "Torc's runners may have kept results while the server was away, in files that "
                f"cannot be read: {'; '.join(self.unreadable)}. Make them readable and run "
                f"`{send}`, or remove them. Then run `{recover}`."
            )
        number = len(self.job_ids)
        return (
            f"Torc's runners kept the results of {number} job{'s' * (number > 1)} while the server "
            f"was away. Send them with `{send}`, then run `{recover}`."
        )


def read_offline_results(
    output_dir: Path, workflow_id: int, run_id: int, job_ids: Collection[int]
) -> OfflineResults:
    """Which of these jobs of one run have a result in a file of their runner. Changes nothing.

    A file keeps its results when they have been sent, so the caller asks for unfinished jobs only.
    """
    found: set[int] = set()
    unreadable: list[str] = []
    for path in _journals(output_dir / _FOLDER, workflow_id, run_id):
        try:
            found |= _job_ids(path)
        except (OSError, sqlite3.Error) as error:
            unreadable.append(f"{path}: {error}")
    return OfflineResults(
        job_ids=frozenset(found.intersection(job_ids)), unreadable=tuple(unreadable)
    )


def _journals(folder: Path, workflow_id: int, run_id: int) -> Iterable[Path]:
    return sorted(folder.glob(f"offline_results_wf{workflow_id}_r{run_id}_*.db"))


def _job_ids(path: Path) -> set[int]:
    """From a copy: SQLite would write to the file's folder, which may be another node's as well."""
    with TemporaryDirectory(prefix="torc-watch-") as folder:
        copy = Path(shutil.copy(path, folder))
        log = path.with_name(path.name + _WRITE_AHEAD_LOG)
        if log.exists():
            shutil.copy(log, folder)
        with closing(sqlite3.connect(copy)) as database:
            if not database.execute(_TABLE).fetchall():  # its runner died before the first result
                return set()
            return {row[0] for row in database.execute("SELECT job_id FROM journaled_completions")}
