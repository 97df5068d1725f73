"""What a watch remembers of jobs that failed while others of their workflow run."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from torc_watch.core.findings import Finding
from torc_watch.core.job_kind import KindKey, kind_key
from torc_watch.core.model import Job
from torc_watch.core.sized_attempts import AttemptKey


@dataclass(slots=True, kw_only=True)
class InPlaceRecord:
    """``settled`` are attempts that wait until the workflow is at rest, ``waiting`` why those
    failed that may run again before: they are looked at once more when other than ``completed``
    jobs have completed, or at ``look_again``, a time of the event loop, when a scout may be late.
    ``others`` are findings of settled attempts that are not in the journal yet; ``peers`` is how
    many jobs had completed when these were read last, and of which kinds. ``retried`` are the IDs
    of jobs for which nothing was submitted since they were retried. ``is_on`` is whether any may
    be; ``told`` is the reported reason why not.
    """

    settled: set[AttemptKey] = field(default_factory=set)
    waiting: dict[AttemptKey, Finding] = field(default_factory=dict)
    completed: int = 0
    look_again: float = math.inf
    others: list[Finding] = field(default_factory=list)
    peers: tuple[int, frozenset[KindKey]] = (-1, frozenset())
    retried: frozenset[int] = frozenset()
    is_on: bool = False
    told: str = ""

    def knows(self, attempt: AttemptKey) -> bool:
        return attempt in self.settled or attempt in self.waiting

    def settle(self, jobs: Collection[int]) -> None:
        self.settled |= {key for key in self.waiting if key[0] in jobs}
        self.waiting = {key: each for key, each in self.waiting.items() if key[0] not in jobs}

    def kin_of(self, jobs: Collection[int]) -> frozenset[int]:
        """The IDs of all that wait and are of a kind with one of these."""
        kinds = {_kind(each) for key, each in self.waiting.items() if key[0] in jobs}
        return frozenset(key[0] for key, each in self.waiting.items() if _kind(each) in kinds)

    def keep(self, failed: Mapping[AttemptKey, Job]) -> None:
        """Forgets all others. A user may have changed the requirements of these."""
        self.settled &= failed.keys()
        self.waiting = {
            key: replace(each, job=failed[key])
            for key, each in self.waiting.items()
            if key in failed
        }


def _kind(finding: Finding) -> KindKey:
    """Within one workflow."""
    return kind_key(0, finding.job, finding.requirements)
