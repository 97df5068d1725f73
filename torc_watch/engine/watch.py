"""What travels between the stages of the engine."""

from dataclasses import dataclass, field
from pathlib import Path

import anyio

from torc_watch.core.assessment import Observation, Orphans
from torc_watch.core.diagnosis import Finding
from torc_watch.core.events import WatchEnded
from torc_watch.core.model import JobCounts
from torc_watch.core.policy import RecoverySettings
from torc_watch.engine.journal import Identity, Round, WatchRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What the user asked for. Times are seconds.

    ``recovery`` is None for watching alone. ``patience`` is how long a server may stay away before
    the watch is given up, None for ever. ``hook`` is a command, split into words, that is run with
    the workflow's id before unknown failures are retried. ``once`` ends the watch after one round.
    """

    workflow_id: int
    recovery: RecoverySettings | None
    poll_interval: float
    show_job_counts: bool
    output_dir: Path
    hook: tuple[str, ...] | None = None
    patience: float | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class KeepWatching:
    """Nothing to do: look again after the poll interval.

    ``grace`` is for a workflow that nothing runs: in how many seconds that means something.
    """

    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class StartOver:
    """A round was carried out: look again, at once, as if for the first time."""


Decision = KeepWatching | StartOver | WatchEnded


class Reply:
    """Brings the decision on one poll, or the error met on the way, back to the watcher."""

    def __init__(self) -> None:
        self._came = anyio.Event()
        self._is_taken = False
        self._decision: Decision | None = None
        self._error: Exception | None = None

    def take(self) -> bool:
        """Whether the poll is still wanted; from now on it is being worked on."""
        self._is_taken = not self._came.is_set()
        return self._is_taken

    def withdraw(self) -> None:
        """The watcher stops before it knows whether its poll has arrived anywhere."""
        if not self._is_taken:
            self.give_up()

    def give_up(self) -> None:
        """Nobody works on the poll any more; what was begun goes on when it is looked at again."""
        self._came.set()

    def decide(self, decision: Decision) -> None:
        self._decision = decision
        self._came.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._came.set()

    async def settled(self) -> None:
        """Waits until there is either, or nobody works on it any more."""
        await self._came.wait()

    async def wait(self) -> Decision:
        """The decision. Raises the error."""
        await self.settled()
        if self._error is not None:
            raise self._error
        assert self._decision is not None  # noqa: S101 - decide() or fail() set the event
        return self._decision


@dataclass(slots=True, kw_only=True)
class Watch:
    """A workflow that is watched now. Only the stage that has its poll in hand changes it.

    ``at_rest_since`` is when it was first seen without workers, or with one more that may be about
    to leave; ``awaited`` are the nodes of those. ``in_hand`` is the reply to the last poll that was
    handed on.
    """

    request: WatchRequest
    name: str
    identity: Identity
    record: WatchRecord
    at_rest_since: float | None = None
    awaited: frozenset[int] = frozenset()
    in_hand: Reply | None = None

    @property
    def workflow_id(self) -> int:
        return self.request.workflow_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One look of a watcher at its workflow."""

    watch: Watch
    observation: Observation
    reply: Reply = field(default_factory=Reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A workflow at rest, explained. ``counts`` are those after the release of ``orphans``."""

    counts: JobCounts
    findings: tuple[Finding, ...]
    orphans: Orphans


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A workflow that needs a round of recovery: a new one, or the one an earlier process began.

    ``diagnosis`` is None when the open round has its plan already.
    """

    watch: Watch
    observation: Observation
    diagnosis: Diagnosis | None
    open_round: Round | None
    reply: Reply
