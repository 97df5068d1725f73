"""All that a report says of a workflow: what its server knows, and what the journal knows."""

from dataclasses import dataclass, field
from datetime import datetime

from torc_watch.core.assessment import WorkflowState
from torc_watch.core.events import FailedJob
from torc_watch.core.explanation import FailureGroup
from torc_watch.core.model import JobCounts, Workflow
from torc_watch.core.node_hour_split import NodeHourSplit
from torc_watch.core.past_watch import PastRound, PastWatch
from torc_watch.core.recovery_round import Plan, Postponement, Refusal
from torc_watch.core.run_summary import RunSummary
from torc_watch.core.suspect_success import Suspicion
from torc_watch.core.timeline import Timeline
from torc_watch.core.use_spread import UseSpread
from torc_watch.core.utilization import ResourceKind, Utilization
from torc_watch.core.workflow_key import WorkflowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowOnServer:
    """A workflow as its server has it now.

    ``failures`` are those that are there now, ``errors`` what some of these jobs wrote last.
    ``answer`` is what the next round would do, of its watch if that is ``of_watch``; ``spreads``
    has how much of memory and run time was used; ``open_allocations`` counts those that are queued
    or running.
    """

    workflow: Workflow
    counts: JobCounts
    answer: Plan | Refusal | Postponement | WorkflowState
    of_watch: bool = False
    failures: tuple[FailureGroup, ...] = ()
    errors: tuple[FailedJob, ...] = ()
    suspects: tuple[Suspicion, ...] = ()
    notes: tuple[str, ...] = ()
    open_allocations: int = 0
    timeline: Timeline = field(default_factory=Timeline)
    runs: tuple[RunSummary, ...] = ()
    node_hours: NodeHourSplit = field(default_factory=NodeHourSplit)
    utilization: Utilization
    spreads: dict[ResourceKind, tuple[UseSpread, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowReport:
    """``troubles`` say why one of the two parts is missing; ``known`` is None without the server's.

    ``made`` is by the clock of this machine. ``is_unreachable`` says that the server did not answer
    as it should: a later report may have more.
    """

    key: WorkflowKey
    made: datetime
    version: str
    known: WorkflowOnServer | None
    watches: tuple[PastWatch, ...] = ()
    troubles: tuple[str, ...] = ()
    is_unreachable: bool = False

    @property
    def rounds(self) -> tuple[PastRound, ...]:
        return tuple(each for watch in self.watches for each in watch.rounds)

    @property
    def is_watched(self) -> bool:
        """Whether a watch of it is under way."""
        return any(watch.ended is None for watch in self.watches)
