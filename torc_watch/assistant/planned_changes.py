"""What an assistant may have carried out: changes that this process has shown it, by their IDs."""

from collections import OrderedDict
from dataclasses import dataclass

from torc_watch.core.errors import InvalidInput, PlanChanged
from torc_watch.core.job_choice import JobChoice
from torc_watch.daemon.commands import Action

_MOST = 200  # of the last ones


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRound:
    """A round of recovery; of all failed jobs without a ``choice``.

    ``continues`` says that it is the rest of one that was cut off, as the journal has it.
    """

    workflow_id: int
    choice: JobChoice | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCommand:
    """A command to the daemon."""

    workflow_id: int
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCancellation:
    """Of the allocation with the scheduler's ``number``."""

    workflow_id: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAnswer:
    """To the plan of a watch that waits for approval; ``reason`` may be empty."""

    workflow_id: int
    approves: bool
    reason: str = ""


PlannedChange = PlannedRound | PlannedCommand | PlannedCancellation | PlannedAnswer


class ShownPlans:
    """Those that were shown to the client of this process, which is one."""

    def __init__(self) -> None:
        self._changes: OrderedDict[str, PlannedChange] = OrderedDict()

    def remember(self, plan_id: str, change: PlannedChange) -> None:
        self._changes[plan_id] = change
        self._changes.move_to_end(plan_id)
        while len(self._changes) > _MOST:
            self._changes.popitem(last=False)

    def find(self, plan_id: str) -> PlannedChange:
        """Raises InvalidInput for an ID that was not shown."""
        change = self._changes.get(plan_id.strip().lower())
        if change is None:
            raise InvalidInput(
                "No plan with this ID was shown to you by this server. Nothing was changed. "
                "Call plan first, show its changes to the user, then apply the ID that it returns."
            )
        return change


def refuse_another(plan_id: str, now: str, change: PlannedChange) -> None:
    """Raises PlanChanged where the world is no longer the one that was planned for."""
    if now != plan_id:
        raise PlanChanged(
            f"Workflow {change.workflow_id} changed since this plan was made. Nothing was changed. "
            "Call plan again."
        )
