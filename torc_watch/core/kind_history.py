"""What is known of the jobs of one kind: what they requested, what they used, how they ended.

A kind has one history for memory (bytes) and one for run time (seconds). Nothing of it depends on
the order of the attempts or on a time of day: neither a clock that jumped nor a journal that was
read in another order changes a decision.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from torc_watch.core.job_kind import KindKey


class SizedResource(StrEnum):
    MEMORY = "memory"
    RUNTIME = "runtime"


class AttemptEnd(StrEnum):
    COMPLETED = "completed"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_TIME = "out_of_time"
    OTHER = "other"  # says nothing about the need


LACK_ENDS = {
    SizedResource.MEMORY: AttemptEnd.OUT_OF_MEMORY,
    SizedResource.RUNTIME: AttemptEnd.OUT_OF_TIME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedAttempt:
    """One ended attempt, as the journal keeps it: bytes and seconds.

    ``memory`` and ``runtime`` are what it requested, None if that was not known; ``peak`` and
    ``ran`` what was measured: 0, None and what is no finite number are no measurement.
    """

    kind: KindKey
    job_id: int
    run_id: int
    attempt: int
    end: AttemptEnd
    memory: int | None = None
    runtime: int | None = None
    peak: float | None = None
    ran: float | None = None
    is_scout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an attempt says of the need for one resource.

    ``used`` is None if it was not measured; of a job that ``lacked`` the resource, it is a lower
    bound of the need. A scout went first, with a large request, to show how much memory its kind
    needs: of its run time it is a trial like any other.
    """

    job_id: int
    limit: int
    used: int | None
    lacked: bool
    is_scout: bool = False

    @property
    def bound(self) -> int:
        """The job needs at least that much; 0 if nothing is known."""
        return max(self.limit, self.used or 0) if self.lacked else self.used or 0


@dataclass(frozen=True, kw_only=True)
class KindHistory:
    """``name`` is what messages call the kind, ``request`` what the user wrote."""

    name: str
    resource: SizedResource
    request: int
    trials: tuple[Trial, ...] = ()

    @cached_property
    def largest_use(self) -> int:
        """Of the jobs that completed; 0 if none was measured."""
        return max((each.used or 0 for each in self.trials if not each.lacked), default=0)

    @cached_property
    def bounds(self) -> Mapping[int, int]:
        """The most that is known of the need of each job that ran, by its ID."""
        found: dict[int, int] = {}
        for each in self.trials:
            found[each.job_id] = max(found.get(each.job_id, 0), each.bound)
        return found

    @cached_property
    def lacking(self) -> frozenset[int]:
        """The jobs that lacked the resource at least once."""
        return frozenset(each.job_id for each in self.trials if each.lacked)

    @cached_property
    def lacking_share(self) -> float:
        """Of the jobs that ran, from 0 to 1."""
        return len(self.lacking) / len(self.bounds) if self.bounds else 0.0

    @cached_property
    def scouts(self) -> frozenset[int]:
        """The jobs that have ended as scouts."""
        return frozenset(each.job_id for each in self.trials if each.is_scout)

    @cached_property
    def has_completed_scout(self) -> bool:
        return any(each.is_scout and not each.lacked for each in self.trials)

    def quantile(self, share: float, *, above_use: float, above_limit: float) -> float:
        """Of what the jobs need, 0 if nothing is known: what a job used times ``above_use``, or the
        limit at which it was killed times ``above_limit`` if it has not completed since.
        """
        completed = {each.job_id for each in self.trials if not each.lacked}
        known = sorted(
            bound * (above_use if job_id in completed else above_limit)
            for job_id, bound in self.bounds.items()
            if bound
        )
        return known[math.ceil(share * len(known)) - 1] if known else 0.0


def by_kind(attempts: Iterable[SizedAttempt]) -> Mapping[KindKey, tuple[SizedAttempt, ...]]:
    """Each attempt once, however often the journal has it."""
    groups: defaultdict[KindKey, dict[SizedAttempt, None]] = defaultdict(dict)
    for each in attempts:
        groups[each.kind][each] = None
    return {kind: tuple(group) for kind, group in groups.items()}


def history_of(
    name: str, resource: SizedResource, request: int, attempts: Iterable[SizedAttempt]
) -> KindHistory:
    """Of the attempts of one kind. One that lacks its request, or that ended for another reason,
    is left out.
    """
    trials = (_trial(each, resource) for each in attempts)
    return KindHistory(
        name=name,
        resource=resource,
        request=request,
        trials=tuple(trial for trial in trials if trial is not None),
    )


def measured_amount(value: float | None) -> int | None:
    """A measured peak or run time, rounded up; None for what is no measurement, as 0 is none."""
    return math.ceil(value) if value is not None and 0 < value < math.inf else None


def _trial(attempt: SizedAttempt, resource: SizedResource) -> Trial | None:
    is_memory = resource is SizedResource.MEMORY
    limit = attempt.memory if is_memory else attempt.runtime
    used = measured_amount(attempt.peak if is_memory else attempt.ran)
    lacked = attempt.end is LACK_ENDS[resource]
    if not limit or limit < 0 or not (lacked or attempt.end is AttemptEnd.COMPLETED):
        return None
    return Trial(
        job_id=attempt.job_id,
        limit=limit,
        used=used,
        lacked=lacked,
        is_scout=attempt.is_scout and is_memory,
    )
