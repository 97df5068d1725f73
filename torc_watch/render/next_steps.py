"""What a user can do after a watch in the foreground that ended without success."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from torc_watch.core.events import Verdict, WatchEnded

_WITHOUT_SUCCESS = (Verdict.FAILED, Verdict.HANDED_OVER, Verdict.EXHAUSTED, Verdict.STUCK)


def next_steps(ended: WatchEnded, url: str | None, log: Path) -> Iterator[str]:
    """Commands, with the ``--url`` that the watch was given; ``log`` is that of the watch."""
    if ended.verdict not in _WITHOUT_SUCCESS:
        return
    target = f"{ended.workflow_id} --url {shlex.quote(url)}" if url else str(ended.workflow_id)
    yield ""
    yield "Commands for the next steps:"
    yield f"  torc-watchd why {target}      # why jobs failed, with the evidence"
    yield f"  torc-watchd status {target}   # the jobs, and the last error line of each"
    yield f"  torc-watchd plan {target}     # what one more round of recovery would do"
    yield f"  torc-watchd recover {target}  # carries out that round"
    yield f"  torc-watchd history {target}  # what was done, when and why"
    yield f"The log of this watch: {log}"
