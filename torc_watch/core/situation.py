"""All that a plan for the next round of recovery depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from torc_watch.core.allocation import NodeClass
from torc_watch.core.findings import Finding
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import SizedAttempt
from torc_watch.core.model import (
    Dependent,
    Job,
    JobCounts,
    Requirements,
    SchedulerConfig,
    SchedulingAction,
    Workflow,
)
from torc_watch.core.node_hours import NodeHours
from torc_watch.core.recovery_round import PastRounds
from torc_watch.core.sizing_policy import ScoutRun
from torc_watch.core.suspect_success import Suspicion


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The workflow at rest, its findings, and the nodes there are.

    ``dependents`` is None where they are too many to know; ``waiting`` are the jobs that have yet
    to run: uninitialized, blocked, ready or canceled. ``requirements`` are the workflow's rows, by
    id. ``scheduler_type`` is Torc's word for the scheduler that will be asked, ``node_classes`` is
    what that has, and ``configs`` are the workflow's rows of it on the server. By ``actions``
    workers ask it for allocations too. ``allocation_stem`` begins the tokens of this round's
    allocations and of no other's. ``now`` is when the round is planned, None of one that a user
    asks for: that waits for nothing, nor do jobs that failed before ``asked``. ``has_room`` says
    whether files can be written where the jobs write theirs. ``node_hours`` is what the workflow
    has used, and may use in allocations that it still has. Allocations keep away from
    ``avoided_nodes``, the worst of which come first, where there are others. ``suspects`` are
    completed jobs whose success is. ``attempts`` are those that are known of this workflow, with
    or without those of the findings. ``scout_runs`` are the scouts that run now, by their kind.
    """

    workflow: Workflow
    counts: JobCounts
    findings: tuple[Finding, ...]
    dependents: tuple[Dependent, ...] | None
    waiting: tuple[Job, ...]
    requirements: Mapping[int, Requirements]
    past: PastRounds
    scheduler_type: str
    configs: tuple[SchedulerConfig, ...]
    node_classes: tuple[NodeClass, ...]
    actions: tuple[SchedulingAction, ...]
    allocation_stem: str
    now: datetime | None = None
    asked: datetime | None = None
    has_room: bool = True
    node_hours: NodeHours = field(default_factory=NodeHours)
    avoided_nodes: tuple[str, ...] = ()
    suspects: tuple[Suspicion, ...] = ()
    attempts: tuple[SizedAttempt, ...] = ()
    scout_runs: Mapping[KindKey, ScoutRun] = field(default_factory=dict)
