"""What a watch has used of what it may: rounds, retries for a cause, node hours."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from torc_watch.core.cause import REMEDIES, Cause
from torc_watch.core.recovery_round import PastRounds, RecoverySettings
from torc_watch.core.retry_budget import most_retries


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseBudget:
    """Retries for one cause: how many of the ``allowed`` ones the job has ``used`` that had most.

    ``jobs`` is how many jobs had any.
    """

    cause: Cause
    used: int
    allowed: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """``max_rounds`` is None without recovery, ``max_node_hours`` where there is no limit."""

    rounds_used: int
    max_rounds: int | None
    retries: tuple[CauseBudget, ...]
    node_hours: float
    max_node_hours: float | None


def budgets_of(
    past: PastRounds, settings: RecoverySettings, node_hours: float, *, recovers: bool
) -> Budgets:
    return Budgets(
        rounds_used=past.used,
        max_rounds=settings.max_retries if recovers else None,
        retries=tuple(_by_cause(past)),
        node_hours=node_hours,
        max_node_hours=settings.max_node_hours,
    )


def _by_cause(past: PastRounds) -> list[CauseBudget]:
    used: dict[Cause, Counter[int]] = defaultdict(Counter)
    for retry in past.retried:
        used[retry.cause][retry.job_id] += 1
    found: list[CauseBudget] = []
    for cause, jobs in used.items():
        most, allowed = max(jobs.values()), most_retries(REMEDIES[cause])
        if allowed is not None:  # one from before the watch runs again whatever its cause
            budget = CauseBudget(cause=cause, used=most, allowed=max(allowed, most), jobs=len(jobs))
            found.append(budget)
    return found
