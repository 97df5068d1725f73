"""The policies that `scripts/bench sizing` compares: the product's own functions, and habits."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torc_watch.core.kind_history import KindHistory
from torc_watch.core.sizing_policy import (
    Lack,
    ScoutRun,
    Sizing,
    SizingRule,
    WaitingJob,
    evidence_sizes,
    fixed_sizes,
    waiting_sizes,
)

Sizes = Callable[[KindHistory, Sequence[Lack], ScoutRun | None], Sequence[Sizing]]
WaitingSizes = Callable[[KindHistory, Sequence[WaitingJob]], Sequence[Sizing]]
_SEEN = (0.6, 1.0)  # of the limit: the peak that sampling sees of a job that is killed


@dataclass(frozen=True, slots=True)
class Policy:
    """``raises_waiting`` sizes jobs that have not started, too."""

    name: str
    sizes: Sizes
    raises_waiting: bool = False

    def waiting(self, history: KindHistory, jobs: Sequence[WaitingJob]) -> Sequence[Sizing]:
        return waiting_sizes(history, jobs) if self.raises_waiting else ()


def _fixed(multiplier: float) -> Sizes:
    return lambda history, lacks, _: fixed_sizes(history, lacks, multiplier)


def _by_attempt(history: KindHistory, lacks: Iterable[Lack], _: ScoutRun | None) -> list[Sizing]:
    """What nf-core's pipelines do: the first request, times the number of the attempt."""
    return [_sizing(lack, history.request * (lack.round + 1)) for lack in lacks]


def _by_sampled_peak(_: KindHistory, lacks: Iterable[Lack], __: ScoutRun | None) -> list[Sizing]:
    """What Torc 0.12 does: the sampled peak times 1.5, which may be less than the request."""
    return [_sizing(lack, lack.limit * _seen_share(lack) * 1.5) for lack in lacks]


def _seen_share(lack: Lack) -> float:
    low, high = _SEEN
    return low + (high - low) * (zlib.crc32(f"{lack.job_id} {lack.round}".encode()) / 2**32)


def _sizing(lack: Lack, request: float) -> Sizing:
    most = lack.cap or request
    return Sizing(job_id=lack.job_id, request=int(min(request, most)), rule=SizingRule.MULTIPLIER)


BASE = Policy("x1.5", _fixed(1.5))
_HABITS = (
    BASE,
    Policy("x2", _fixed(2.0)),
    Policy("request x attempt (nf-core)", _by_attempt),
    Policy("sampled peak x1.5 (Torc 0.12)", _by_sampled_peak),
)
OURS = Policy("**evidence**", evidence_sizes)
OURS_IN_PLACE = Policy("**evidence, waiting jobs raised**", evidence_sizes, raises_waiting=True)
IN_ROUNDS = (*_HABITS, OURS)
IN_PLACE = (
    *_HABITS,
    Policy("x1.5, waiting jobs raised", _fixed(1.5), raises_waiting=True),
    OURS,
    OURS_IN_PLACE,
)
