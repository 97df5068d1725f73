"""Since when Slurm has not been able to account for jobs. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class MissingJobs:
    """When a job was first missing from good answers, with none since that had it.

    What has once been missing for long enough stays so, because it is not known to be asked for no
    more.
    """

    since: Mapping[int, float] = field(default_factory=dict)

    def after(self, *, asked: Collection[int], missing: Collection[int], now: float) -> Self:
        """After answers about ``asked``, of whom ``missing`` are missing. ``now`` in seconds."""
        kept = {number: when for number, when in self.since.items() if number not in asked}
        first = {number: self.since.get(number, now) for number in missing}
        return type(self)({**kept, **first})

    def duration(self, number: int, now: float) -> float:
        """In seconds; 0 for a job that is not missing."""
        return now - self.since.get(number, now)
