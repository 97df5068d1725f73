"""A round of recovery by an assistant: its plan, and carrying out exactly that."""

from collections.abc import Callable
from dataclasses import replace

from mcp.server.mcpserver import Context

from torc_watch.app import chosen_round
from torc_watch.app.foreground_watch import round_request, watch
from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.plan_tools import inspect_round
from torc_watch.assistant.plan_values import (
    AppliedPlan,
    ShownPlan,
    change_id,
    last_lines_of,
    rest_of_round_lines,
    round_answer,
)
from torc_watch.assistant.planned_changes import PlannedRound, refuse_another
from torc_watch.assistant.progress_report import ProgressReport
from torc_watch.assistant.round_transcript import logged_round
from torc_watch.config.settings import Settings
from torc_watch.core.events import Event, WatchEnded
from torc_watch.core.past_watch import PastRound
from torc_watch.daemon.commands import WatchState

_WATCHED = (
    "The daemon watches this workflow, and a round beside its watch is refused: pause the workflow "
    "first, or leave it to the daemon (status says what comes next)."
)
_TO_APPLY = "When the user agrees: apply with this plan_id"


async def plan_round(
    access: ServerAccess, change: PlannedRound, action: str, context: Context
) -> tuple[ShownPlan, PlannedRound]:
    """What was cut off is finished first, as it was planned: it takes the place of a new round."""
    cut_off = round_cut_off(access, change.workflow_id)
    if cut_off is not None:
        rest = ShownPlan(
            server=access.url,
            workflow_id=change.workflow_id,
            action="continue",
            plan_id=_id_of_rest(access, change.workflow_id, cut_off),
            changes=rest_of_round_lines(cut_off),
            to_apply=_TO_APPLY,
        )
        return rest, replace(change, choice=None, continues=True)
    seen = await inspect_round(access, change.workflow_id, change.choice, context)
    is_watched = access.watch_state(change.workflow_id) is WatchState.WATCHED
    notes = [_WATCHED] if is_watched and seen.plan_id else []
    return round_answer(access.url, seen, action, _TO_APPLY, notes), change


def round_cut_off(access: ServerAccess, workflow_id: int) -> PastRound | None:
    """One that did not end: its process died, or is still at it.

    Only with a plan: one without changed nothing that a plan would, and plans anew.
    """
    rounds = access.stored_watch(workflow_id).rounds
    last = rounds[-1] if rounds else None
    return last if last and last.ended is None and last.plan else None


def _id_of_rest(access: ServerAccess, workflow_id: int, round_: PastRound) -> str:
    return change_id("continue", access.key(workflow_id), round_.began, round_.number)


async def carry_out_round(
    access: ServerAccess, plan_id: str, change: PlannedRound, progress: ProgressReport
) -> AppliedPlan:
    """Raises PlanChanged, WatchHeld, and every other kind of TorcWatchError."""
    settings = await access.settings_of_round(change.workflow_id)
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        if line.strip():
            progress.text = line.strip()

    with logged_round(change.workflow_id, settings.output_dir, show) as report:
        if change.continues:
            ended = await _continue(access, plan_id, change, settings, report)
        else:
            ended = await chosen_round.carry_out(
                plan_id, change.workflow_id, settings, access.connection, report, change.choice
            )
    return AppliedPlan(
        workflow_id=change.workflow_id,
        action="recover",
        outcome=ended.verdict.label,
        done=last_lines_of(lines),
    )


async def _continue(
    access: ServerAccess,
    plan_id: str,
    change: PlannedRound,
    settings: Settings,
    report: Callable[[Event], None],
) -> WatchEnded:
    cut_off = round_cut_off(access, change.workflow_id)
    now = "" if cut_off is None else _id_of_rest(access, change.workflow_id, cut_off)
    refuse_another(plan_id, now, change)
    request = round_request(change.workflow_id, settings)
    return await watch(request, settings, access.connection, report)
