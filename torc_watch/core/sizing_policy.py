"""How much jobs request after they, or others of their kind, lacked memory or run time.

Of jobs with one limit, each that completed used less and each that failed needs more: the largest
peer says nothing upward. So the policy buys what it has to know. Of a kind that fails as a whole
one job goes first with a large request, as a scout, and the others wait for what it needs. Where no
peer shows more than the limit, requests climb a ladder.

The constants are from simulations over traces of real jobs, which `scripts/bench sizing` repeats.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from torc_watch.core.kind_history import KindHistory, SizedResource
from torc_watch.core.units import MIB

_LADDERS = {SizedResource.MEMORY: (1.5, 2.0, 4.0), SizedResource.RUNTIME: (2.0, 3.0, 4.0)}
_GRIDS = {SizedResource.MEMORY: MIB, SizedResource.RUNTIME: 1}
_LAST_ROUND = 3

_ABOVE_PEERS = 1.2
_LEAST_STEP = 1.5  # where a peer used more
_LEAST_LAST_STEP = 2.0
_SCOUT_FACTOR = 8.0
_SCOUT_ROUNDS = 2  # if the first scout fails, it goes again
_MANY_JOBS = 4  # have to have failed for a scout to go
_MOST_JOBS = 0.9  # of those that ran, too
_LATE_SCOUT = 2.0  # times as long as the others ran until they were killed
_WAITING_SHARE = 0.1
_WAITING_QUANTILE = 0.9  # of what their peers need
_ABOVE_USE = 1.05
_ABOVE_LIMIT = 1.1  # of a peer that was killed and has not completed since


class SizingPolicy(StrEnum):
    EVIDENCE = "evidence"
    FIXED = "fixed"  # the user's multipliers


class SizingRule(StrEnum):
    MULTIPLIER = "multiplier"
    PEERS = "peers"
    SCOUT = "scout"
    LADDER = "ladder"
    HELD = "held"
    AT_THE_CAP = "at_the_cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A job that lacked the resource and has not been retried since.

    ``limit`` is what the attempt had; ``seen`` a lower bound of the need, such as a measured peak;
    ``asked`` what the job requests now, which a user may have changed. ``round`` counts from 1.
    ``cap`` is the most that the job's partitions give, None if that is not known. One that may not
    wait for a scout is retried at once.
    """

    job_id: int
    job_name: str
    limit: int
    asked: int
    round: int
    seen: int | None = None
    cap: int | None = None
    may_wait: bool = True

    @property
    def level(self) -> int:
        """The job is known to need more than that."""
        return max(self.limit, self.seen or 0)

    @property
    def is_at_cap(self) -> bool:
        return self.cap is not None and self.level >= self.cap


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJob:
    """A job of the kind that has not started; the fields are as those of Lack."""

    job_id: int
    asked: int
    cap: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoutRun:
    """A scout that has not ended: for how many seconds it runs, and the longest run that one of
    the others had until it was killed.
    """

    job_id: int
    job_name: str
    ran: float
    killed_after: float

    @property
    def is_late(self) -> bool:
        """Those that wait for it wait no longer. It is not late by a clock that was set back."""
        return self.ran > _LATE_SCOUT * self.killed_after

    @property
    def late_in(self) -> float:
        """Seconds; negative where it is late."""
        return _LATE_SCOUT * self.killed_after - self.ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What a job requests next; ``request`` is None of one that is not retried now.

    ``factor`` is by how much the level was multiplied, where it was.
    """

    job_id: int
    request: int | None
    rule: SizingRule
    factor: float | None = None


def fixed_sizes(
    history: KindHistory, lacks: Iterable[Lack], multiplier: float
) -> tuple[Sizing, ...]:
    return tuple(_raised(history, lack, SizingRule.MULTIPLIER, multiplier) for lack in lacks)


def evidence_sizes(
    history: KindHistory, lacks: Sequence[Lack], scout_run: ScoutRun | None = None
) -> tuple[Sizing, ...]:
    """One for each of ``lacks``, in their order. These are all that failed and wait for a size.

    Memory only: run time climbs the ladder, because a scout would cost more than it saves.
    """
    scout = _next_scout(history, lacks) if scout_run is None else None
    is_held = scout is not None or (scout_run is not None and not scout_run.is_late)
    return tuple(_size(history, lack, scout, is_held=is_held) for lack in lacks)


def waiting_sizes(history: KindHistory, jobs: Iterable[WaitingJob]) -> tuple[Sizing, ...]:
    """For those that have to request more before they start: none while few of the kind failed."""
    if history.lacking_share < _WAITING_SHARE:
        return ()
    wanted = history.quantile(_WAITING_QUANTILE, above_use=_ABOVE_USE, above_limit=_ABOVE_LIMIT)
    sizes = ((job, _request(history, wanted, job.asked, job.cap)) for job in jobs)
    return tuple(
        Sizing(job_id=job.job_id, request=request, rule=SizingRule.PEERS)
        for job, request in sizes
        if request > job.asked
    )


def _size(history: KindHistory, lack: Lack, scout: Lack | None, *, is_held: bool) -> Sizing:
    if lack.is_at_cap:
        return Sizing(job_id=lack.job_id, request=None, rule=SizingRule.AT_THE_CAP)
    if _has_peers(history, lack):
        return _sized_by_peers(history, lack)
    if lack is scout or _goes_again(history, lack):
        return _raised(history, lack, SizingRule.SCOUT, _SCOUT_FACTOR)
    if is_held and lack.may_wait and lack.round == 1:
        return Sizing(job_id=lack.job_id, request=None, rule=SizingRule.HELD)
    return _raised(history, lack, SizingRule.LADDER, _step(history, lack))


def _has_peers(history: KindHistory, lack: Lack) -> bool:
    return history.resource is SizedResource.MEMORY and history.largest_use > lack.level


def _sized_by_peers(history: KindHistory, lack: Lack) -> Sizing:
    wanted = max(history.largest_use * _ABOVE_PEERS, lack.level * _least_step(history, lack))
    request = _request(history, wanted, lack.asked, lack.cap)
    return Sizing(job_id=lack.job_id, request=request, rule=SizingRule.PEERS)


def _least_step(history: KindHistory, lack: Lack) -> float:
    """The first peers that complete with more than the limit are those that need little more.
    A scout was chosen before anything was known of its need.
    """
    if lack.round >= _LAST_ROUND:
        return _LEAST_LAST_STEP
    return 1.0 if history.has_completed_scout else _LEAST_STEP


def _next_scout(history: KindHistory, lacks: Collection[Lack]) -> Lack | None:
    """The one in the middle: first and last ones are often special."""
    if history.resource is not SizedResource.MEMORY or history.scouts:
        return None
    if len(history.lacking) < _MANY_JOBS or history.lacking_share < _MOST_JOBS:
        return None
    if not any(each.may_wait for each in lacks):
        return None
    able = sorted(
        (each for each in lacks if each.round == 1 and _has_use_of_scout(history, each)),
        key=attrgetter("job_id"),
    )
    return able[len(able) // 2] if able else None


def _has_use_of_scout(history: KindHistory, lack: Lack) -> bool:
    """Where the next step of the ladder is the cap already, a scout shows nothing more."""
    step = lack.level * _step(history, lack)
    is_near_cap = lack.cap is not None and lack.cap <= step
    return not is_near_cap and not _has_peers(history, lack)


def _goes_again(history: KindHistory, lack: Lack) -> bool:
    return lack.job_id in history.scouts and lack.round <= _SCOUT_ROUNDS


def _step(history: KindHistory, lack: Lack) -> float:
    return _LADDERS[history.resource][min(max(lack.round, 1), _LAST_ROUND) - 1]


def _raised(history: KindHistory, lack: Lack, rule: SizingRule, factor: float) -> Sizing:
    if lack.is_at_cap:
        return Sizing(job_id=lack.job_id, request=None, rule=SizingRule.AT_THE_CAP)
    request = _request(history, lack.level * factor, lack.asked, lack.cap)
    return Sizing(job_id=lack.job_id, request=request, rule=rule, factor=factor)


def _request(history: KindHistory, wanted: float, asked: int, cap: int | None) -> int:
    """Never less than the user wrote or asks for now, and else never above the cap."""
    grid = _GRIDS[history.resource]
    steps = round(wanted / grid, 6)  # without it, 100g * 1.1 is a step above 110g
    request = math.ceil(steps) * grid
    least = max(asked, history.request)
    return max(least, request if cap is None else min(request, cap))
