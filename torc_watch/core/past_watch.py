"""A watch of a workflow as the journal has it, with its rounds of recovery."""

from dataclasses import dataclass

from torc_watch.core.approval import Proposal
from torc_watch.core.recovery_round import Plan
from torc_watch.core.workflow_key import WorkflowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRound:
    """Times are ISO 8601. ``plan`` is None before it was made, and where it cannot be read.

    ``reason`` says why it was not carried out, ``until`` when one is planned again that waits.
    """

    number: int
    run_id: int
    began: str
    ended: str | None
    outcome: str | None
    last_step: str | None
    plan: Plan | None
    reason: str = ""
    until: str | None = None


@dataclass(frozen=True, slots=True)
class PastProposal:
    """A plan that waited for approval; ``ended`` (ISO 8601) and ``outcome`` are None while it does.

    The outcome is ``carried_out``, ``replaced`` by another plan, or ``withdrawn``.
    """

    proposal: Proposal
    ended: str | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWatch:
    """``ended`` and ``verdict`` are None while it is running; ``reason`` may be empty."""

    server: str
    workflow_id: int
    began: str
    ended: str | None
    verdict: str | None
    reason: str
    rounds: tuple[PastRound, ...]
    proposals: tuple[PastProposal, ...] = ()

    @property
    def key(self) -> WorkflowKey:
        return WorkflowKey(self.server, self.workflow_id)
