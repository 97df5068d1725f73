"""One round of recovery, exactly as its plan was shown.

`inspection.plan` makes a plan with its ID and its price; `carry_out` makes it again, and carries it
out if it is still the same. Nothing is stored in between.
"""

from collections.abc import Callable
from dataclasses import replace

from torc_watch.app import inspection
from torc_watch.app.foreground_watch import round_request, watch
from torc_watch.config.settings import Settings
from torc_watch.core.errors import PlanChanged
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.plan_identity import changed_plan
from torc_watch.engine.messages import WatchRequest
from torc_watch.torc.transport import Connection


async def carry_out(
    plan_id: str,
    workflow_id: int,
    settings: Settings,
    connection: Connection,
    report: Callable[[Event], None],
    choice: JobChoice | None = None,
) -> WatchEnded:
    """Carries out the plan that ``inspection.plan`` showed for the same settings and choice.

    Raises PlanChanged, and nothing is changed then. Raises WatchHeld while another process watches
    the workflow, and every other kind of TorcWatchError.
    """
    await check(plan_id, workflow_id, settings, connection, choice)
    request = chosen_request(plan_id, workflow_id, settings, choice)
    ended = await watch(request, settings, connection, report)
    if ended.verdict is Verdict.PLAN_CHANGED:
        raise PlanChanged(ended.reason)
    return ended


async def check(
    plan_id: str,
    workflow_id: int,
    settings: Settings,
    connection: Connection,
    choice: JobChoice | None = None,
) -> None:
    """Raises PlanChanged where the plan would be another now, or there would be none."""
    seen = await inspection.plan(workflow_id, settings, connection, choice)
    if seen.plan_id != plan_id:
        raise PlanChanged(changed_plan(workflow_id, seen.plan_id))


def chosen_request(
    plan_id: str | None, workflow_id: int, settings: Settings, choice: JobChoice | None
) -> WatchRequest:
    """A round as a user asks for it: of the chosen jobs, and only if it is that plan."""
    request = round_request(workflow_id, settings)
    assert request.recovery is not None  # noqa: S101 - a round is one of recovery
    return replace(request, recovery=replace(request.recovery, choice=choice), only_plan=plan_id)
