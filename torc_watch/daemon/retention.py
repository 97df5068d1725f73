"""Deletes what is too old, so that the state folder does not grow without bound.

It never deletes unfinished watches, which the next watch of the workflow continues, nor the
folders of local allocations: an allocation that is open on the server and whose folder is missing
counts as unknown, and a workflow with unknown workers is not recovered.
"""

from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

from torc_watch.daemon.outbox import delete_old_news
from torc_watch.engine.journal import Journal
from torc_watch.engine.workflow_lock import remove_unused

_HISTORY = timedelta(days=90)  # since a watch ended
_INCIDENTS = timedelta(days=30)  # of nodes; they have counted for nothing for a long time
_NEWS = timedelta(days=30)  # since it happened
_LOCKS = timedelta(days=30)  # since the lock was last taken
_FILES = {  # since they were written, or renamed to this
    "journal.db.damaged-*": timedelta(days=90),
    "spool/rejected/*": timedelta(days=30),
    "spool/drafts/*": timedelta(days=1),  # of an `add` that was killed
    ".status.json.*": timedelta(days=1),  # of a daemon that was killed
    ".torc-watchd-*": timedelta(days=1),  # of a process that was killed while it tried a lock
}


def prune(home: Path, now: datetime, lease: str) -> None:
    """Deletes from the state folder what is too old; ``lease`` is the daemon's.

    Raises JournalError, LeaseLost and OSError.
    """
    for pattern, age in _FILES.items():
        for path in home.glob(pattern):
            with suppress(OSError):  # gone, a folder, or not ours: the others can still be deleted
                if path.lstat().st_ctime < (now - age).timestamp():
                    path.unlink()
    remove_unused(home / "locks", (now - _LOCKS).timestamp())
    with closing(Journal(home / "journal.db", lease)) as journal:
        journal.delete_ended((now - _HISTORY).isoformat(timespec="milliseconds"))
        journal.incidents.delete_before(now - _INCIDENTS)
    delete_old_news(home / "journal.db", lease, now - _NEWS)
