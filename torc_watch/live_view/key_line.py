"""The line that names the keys, and the help that explains all of them."""

from collections.abc import Sequence

from torc_watch.daemon.workflow_view import Phase
from torc_watch.live_view.live_row import LiveRow

_GAP = "  "
# With their importance: where the line is too short, the least important keys are left out.
_KEYS = (
    ("s", "status", 3),
    ("w", "why", 4),
    ("l", "log", 6),
    ("h", "history", 10),
    ("p", "pause", 5),
    ("a", "approve", 2),
    ("r", "reject", 9),
    ("/", "filter", 7),
    ("o", "order", 8),
    ("?", "help", 1),
    ("q", "quit", 0),
)
_OF_PLANS = ("a", "r")

HELP = """\
Keys

  up, down, j, k     select a workflow
  PgUp, PgDn, space  move by a screen; Home and End (g and G) go to the ends
  s, Enter           status: jobs, allocations, rounds, the next round
  w                  why jobs failed, with the evidence
  l                  what the daemon has logged about it
  h                  history: what was done for it, when and why
  p                  pause it, or resume it; asks first
  a                  approve the plan that waits; asks first
  r                  reject it: its workflow is handed over to you; asks first
  /                  filter by words of name, ID, server, state or reason
  o                  other order: attention, ID, name, failures, progress
  Esc                show all again
  ?                  this help
  q, Ctrl-C          quit; the daemon goes on
  Ctrl-Z             suspend; continue with fg

In a text, r reads it again, and Esc or q goes back.

Columns

  PROGRESS  {done} done, {running} running, {left} left, {failed} failed
  ALLOC     allocations: r running, q queued, ? of which Slurm says nothing
  ROUND     rounds of recovery that were used, of those allowed
  NEXT      when its jobs run again, or else when it is polled
"""


def key_line(row: LiveRow | None, width: int) -> str:
    """What the keys do to the selected workflow."""
    has_plan = row is not None and row.proposal is not None
    keys = [
        (key, _word(key, word, row), rank)
        for key, word, rank in _KEYS
        if has_plan or key not in _OF_PLANS
    ]
    while len(line := _line(keys)) > width and len(keys) > 1:
        keys.remove(max(keys, key=lambda each: each[2]))
    return line


def resumes(row: LiveRow) -> bool:
    """Whether the key that pauses a workflow resumes this one."""
    return row.view is not None and row.view.phase in (Phase.PAUSED, Phase.ENDED)


def _word(key: str, word: str, row: LiveRow | None) -> str:
    return "resume" if key == "p" and row is not None and resumes(row) else word


def _line(keys: Sequence[tuple[str, str, int]]) -> str:
    return _GAP.join(f"{key} {word}" for key, word, _ in keys)
