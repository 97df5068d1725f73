"""The user's answers to plans that wait for approval.

An answer is in the journal when this returns, where the watch finds it within seconds: that of the
daemon, or one in the foreground. Of several answers the first counts.
"""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from torc_watch.app.composition import server_url
from torc_watch.config.settings import Settings
from torc_watch.core.approval import PlanAnswer, Proposal
from torc_watch.core.errors import (
    InvalidInput,
    JournalError,
    PlanChanged,
    RecordUnreadable,
    WatchHeld,
)
from torc_watch.core.workflow_key import WorkflowKey, resolve_key
from torc_watch.daemon.commands import WatchState
from torc_watch.daemon.open_proposals import (
    OpenProposal,
    UnreadableProposal,
    open_proposals,
    waiting_proposals,
)
from torc_watch.daemon.status_file import is_active, read_status, utc_now
from torc_watch.daemon.watch_history import known_workflows
from torc_watch.engine.database import Database
from torc_watch.engine.proposal_table import ProposalTable
from torc_watch.render.daemon_notices import HOW_TO_START
from torc_watch.render.proposal_text import answer_name, unreadable_text

_MAX_REASON = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """``answer`` is the one that counts; ``is_new`` says that it is the one that was just given.

    ``note`` says what follows from it, and when.
    """

    key: WorkflowKey
    proposal: Proposal
    answer: PlanAnswer
    is_new: bool
    note: str


def waiting_plan(home: Path, workflow_id: int, url: str | None) -> OpenProposal:
    """The plan of this workflow that waits.

    Raises InvalidInput where there is none, and RecordUnreadable for one of another version.
    """
    server = server_url(url)
    found = {
        each.key: each
        for each in waiting_proposals(home)
        if each.key.workflow_id == workflow_id and server in (None, each.key.server)
    }
    if not found:
        raise InvalidInput(
            f"No plan of workflow {workflow_id} waits for approval. "
            "List those that do with: torc-watchd plans"
        )
    waiting = found[resolve_key(workflow_id, server, found)]
    if isinstance(waiting, UnreadableProposal):
        raise RecordUnreadable(unreadable_text(waiting))
    return waiting


@contextmanager
def held_watch_explained(home: Path, key: WorkflowKey) -> Iterator[None]:
    """A user who wants a round, of which the plan only waits for approval, is told how to approve.

    Raises WatchHeld, as what is done within it.
    """
    try:
        yield
    except WatchHeld as error:
        if not _is_asked_for_approval(home, key):
            raise
        raise WatchHeld(
            f"{error} Its plan waits for your approval: torc-watchd approve {key.workflow_id}"
        ) from error


def _is_asked_for_approval(home: Path, key: WorkflowKey) -> bool:
    with suppress(JournalError):
        waiting = [each.proposal for each in open_proposals(home) if each.key == key]
        return any(proposal.answer is None for proposal in waiting)
    return False


def answer_plan(
    workflow_id: int,
    *,
    approves: bool,
    settings: Settings,
    url: str | None = None,
    plan_id: str | None = None,
    reason: str = "",
) -> GivenAnswer:
    """Approves or rejects the plan that waits, or only the one with that ID.

    Raises InvalidInput where none waits, or where it has the opposite answer already; PlanChanged
    where another plan waits; JournalError. Nothing is changed then.
    """
    if len(reason) > _MAX_REASON:
        raise InvalidInput(f"The reason is too long: give at most {_MAX_REASON} characters.")
    home = settings.home
    waiting = waiting_plan(home, workflow_id, url)
    if plan_id is not None and plan_id != waiting.proposal.plan_id:
        raise PlanChanged(_another_waits(workflow_id, plan_id, waiting.proposal.plan_id))
    by = f"{settings.user_name()}@{socket.gethostname()}"
    given = PlanAnswer(approves=approves, by=by, at=datetime.now(UTC), reason=reason)
    with closing(Database(home / "journal.db")) as database:
        counted = ProposalTable(database).answer(waiting.proposal, given)
    if counted is None or counted.answer is None:
        raise PlanChanged(_waits_no_longer(workflow_id, waiting.proposal.plan_id))
    if counted.answer.approves != approves:
        raise InvalidInput(_opposite(counted.plan_id, counted.answer))
    return GivenAnswer(
        key=waiting.key,
        proposal=counted,
        answer=counted.answer,
        is_new=counted.answer == given,
        note=_note(home, waiting.key),
    )


def _another_waits(workflow_id: int, plan_id: str, waiting: str) -> str:
    return (
        f"Plan {plan_id} of workflow {workflow_id} is not the one that waits for approval: that is "
        f"{waiting} now. Nothing was changed. See it with: torc-watchd plan {workflow_id} --show"
    )


def _waits_no_longer(workflow_id: int, plan_id: str) -> str:
    return (
        f"Plan {plan_id} of workflow {workflow_id} waits for approval no longer: the workflow "
        "changed. Nothing was changed by you. See what waits with: torc-watchd plans"
    )


def _opposite(plan_id: str, answer: PlanAnswer) -> str:
    return f"Plan {plan_id} was {answer_name(answer)} by {answer.by} already. Nothing was changed."


def _note(home: Path, key: WorkflowKey) -> str:
    """When the watch acts on it."""
    workflow = known_workflows(home).get(key)
    if workflow is None or workflow.state is WatchState.ENDED:  # so it is one in the foreground
        return (
            "Its watch acts on this within seconds. If none runs, start it again: "
            f"torc-watchd watch {key.workflow_id}"
        )
    if workflow.state is WatchState.PAUSED:
        return f"It is paused. Resume it with: torc-watchd resume {key.workflow_id}"
    if is_active(read_status(home), utc_now()):
        return "The daemon acts on this within seconds."
    return f"No daemon is running: this takes effect when one starts. {HOW_TO_START}"
