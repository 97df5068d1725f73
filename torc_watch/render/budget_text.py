"""What a watch has used of what it may, for people and for scripts."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from torc_watch.core.budgets import Budgets
from torc_watch.core.units import hours_text
from torc_watch.render.cause_text import cause_text


def budget_text(budgets: Budgets) -> Iterator[str]:
    """One line; none where nothing is used and nothing limited."""
    if parts := list(_parts(budgets)):
        yield f"Used: {'; '.join(parts)}."


def _parts(budgets: Budgets) -> Iterator[str]:
    if budgets.max_rounds is not None:
        yield f"{budgets.rounds_used} of {budgets.max_rounds} rounds"
    if budgets.retries:
        counts = (
            f"{cause_text(each.cause)} {each.used} of {each.allowed}" for each in budgets.retries
        )
        yield f"retries of one job: {', '.join(counts)}"
    if budgets.max_node_hours is not None:
        yield f"{hours_text(budgets.node_hours)} of {budgets.max_node_hours:g} node hours"
    elif budgets.node_hours:
        yield f"{hours_text(budgets.node_hours)} node hours"


def budget_values(budgets: Budgets) -> dict[str, Any]:
    return asdict(budgets)
