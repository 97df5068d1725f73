"""What commands print of a plan of allocations."""

import sys
from collections.abc import Iterable
from typing import Any

from torc_watch.app.slurm_plan import CheckedPlan
from torc_watch.cli.exit_status import USAGE
from torc_watch.render.cluster_plan_text import (
    cluster_plan_lines,
    cluster_plan_values,
    no_fit_lines,
)
from torc_watch.render.terminal_text import printable

_LONGEST_NOTE = 2000  # characters


def print_plan(checked: CheckedPlan) -> None:
    """The table, and its notes."""
    for line in cluster_plan_lines(checked.plan, checked.starts):
        print(line, flush=True)  # before the notes
    print_notes(checked.notes)


def print_refusal(checked: CheckedPlan, outcome: str) -> int:
    """The jobs that fit nowhere; ``outcome`` says what was not done. Returns the exit status."""
    for line in no_fit_lines(checked.plan, checked.workload):
        print(line, file=sys.stderr)
    print(f"torc-watchd: {outcome}", file=sys.stderr)
    return USAGE


def print_notes(notes: Iterable[str]) -> None:
    """As warnings, to stderr: stdout has only what was asked for. JSON has them in it."""
    for note in notes:
        print(f"Note: {printable(note, _LONGEST_NOTE)}", file=sys.stderr)


def plan_values(checked: CheckedPlan) -> dict[str, Any]:
    return {
        "cluster": checked.cluster,
        "notes": list(checked.notes),
        **cluster_plan_values(checked.plan, checked.workload, checked.starts),
    }
