"""What is known of each kind of jobs: past attempts, and those that failed now."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from torc_watch.core.failed_attempts import attempt_of
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import (
    LACK_ENDS,
    KindHistory,
    SizedAttempt,
    SizedResource,
    by_kind,
    history_of,
)
from torc_watch.core.model import Requirements
from torc_watch.core.situation import Situation
from torc_watch.core.sized_attempts import key_of, with_news


@dataclass(frozen=True, kw_only=True)
class KindEvidence:
    """The attempts of one kind, each once.

    ``written`` is the row of requirements as the user wrote it, None if the server has it no
    longer.
    """

    key: KindKey
    attempts: tuple[SizedAttempt, ...]
    written: Requirements | None = None

    def name(self, job_name: str) -> str:
        """What messages call the kind, of which one job has that name."""
        jobs = {each.job_id for each in self.attempts}
        return self.key.template if len(jobs) > 1 else job_name

    def history(self, resource: SizedResource, name: str) -> KindHistory:
        written = self.written
        is_memory = resource is SizedResource.MEMORY
        request = (written.memory if is_memory else written.runtime) if written else None
        return history_of(name, resource, request or 0, self.attempts)

    def lacked(self, resource: SizedResource) -> Counter[int]:
        """How many attempts of each job lacked it, by the job's ID."""
        end = LACK_ENDS[resource]
        return Counter(each.job_id for each in self.attempts if each.end is end)

    @cached_property
    def scouts(self) -> frozenset[int]:
        """The jobs that have ended as scouts, for whatever reason."""
        return frozenset(each.job_id for each in self.attempts if each.is_scout)


@dataclass(frozen=True, kw_only=True)
class WorkflowEvidence:
    """``failed`` are the attempts of the findings, by the job's ID."""

    kinds: Mapping[KindKey, KindEvidence]
    failed: Mapping[int, SizedAttempt]

    @classmethod
    def of(cls, situation: Situation) -> Self:
        known = {key_of(each): each for each in situation.attempts}
        failed: dict[int, SizedAttempt] = {}
        for finding in situation.findings:
            own = attempt_of(situation.workflow, finding)
            own = with_news(known.get(key_of(own), own), own)
            known[key_of(own)] = failed[own.job_id] = own
        rows = sorted(situation.requirements.values(), key=lambda row: row.memory or 0)
        written = {row.name: row for row in reversed(rows)}  # of one name, the smallest counts
        return cls(
            kinds={
                key: KindEvidence(
                    key=key, attempts=attempts, written=written.get(key.requirements or "")
                )
                for key, attempts in by_kind(known.values()).items()
            },
            failed=failed,
        )
