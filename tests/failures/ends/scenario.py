"""Workflows whose allocation, or a step of it, ends in a way that is not the jobs' own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.rigs.torc_on_slurm import (
    Mode,
    Row,
    TorcAllocations,
    TorcJob,
    TorcOnSlurm,
    specification,
)

BOTH: tuple[Mode, ...] = ("direct", "slurm")
TORCS_OWN_BACKOFF = 300  # seconds
Intervene = Callable[[TorcOnSlurm, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A workflow to run. ``intervene`` gets it when it was submitted, by its ID.

    It returns when the allocations have ended, or are about to. ``backoff`` is for how many seconds
    at most the runner sleeps while nothing completes.
    """

    name: str
    source: str
    mode: Mode
    workflow: Row
    intervene: Intervene
    backoff: int = TORCS_OWN_BACKOFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``jobs`` have the names of programs that fail: first the cause that is right.

    An allocation takes a whole node, so that what happens to one concerns no other.
    """

    name: str
    jobs: Sequence[TorcJob]
    intervene: Intervene
    modes: Sequence[Mode] = BOTH
    allocations: TorcAllocations = field(default_factory=TorcAllocations)
    execution: Mapping[str, Any] = field(default_factory=dict)
    backoff: int = TORCS_OWN_BACKOFF

    def captures(self) -> Iterator[Capture]:
        for mode in self.modes:
            yield Capture(
                name=f"{self.name}-{mode}",
                source=self.name,
                mode=mode,
                workflow=specification(
                    self.jobs, self.allocations, mode=mode, execution=self.execution
                ),
                intervene=self.intervene,
                backoff=self.backoff,
            )


def place(**changes: Any) -> TorcAllocations:
    """The usual allocation, with these changes."""
    return replace(TorcAllocations(), **changes)
