"""A workflow as it is now, for people who ask: nothing here changes anything."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from torc_watch.app.composition import local_allocations, open_client, unknown_id_refused
from torc_watch.config.settings import Settings
from torc_watch.core.assessment import Observation, WorkflowState, has_succeeded, standing
from torc_watch.core.diagnosis import Finding
from torc_watch.core.errors import RecordUnreadable, ServerError
from torc_watch.core.model import JobCounts
from torc_watch.core.policy import RecoverySettings
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchOptions, WatchState
from torc_watch.daemon.watch_history import PastRound, known_workflows, watches_of
from torc_watch.engine.diagnoser import Diagnoser
from torc_watch.engine.observer import observe
from torc_watch.engine.planner import make_plan
from torc_watch.render.history_text import round_text
from torc_watch.render.plan_text import PlanResult, plan_text, plan_values
from torc_watch.render.workflow_report import choices_text, live_text, live_values
from torc_watch.torc.transport import Connection

_SECONDS = 20.0  # for a server to say all that is asked


@dataclass(frozen=True, slots=True)
class Inspection:
    """One look at a workflow; ``answer`` is what a round of recovery would do, or why none would.

    ``findings`` say why jobs failed so far.
    """

    observation: Observation
    counts: JobCounts
    findings: tuple[Finding, ...]
    answer: PlanResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of what is said of a workflow: ``lines`` to a person, ``values`` to a script.

    ``trouble`` says why the server had nothing to say.
    """

    lines: Sequence[str] = ()
    values: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""


def known_part(home: Path, key: WorkflowKey) -> Part:
    """What was asked for, and the rounds of the last watch. Raises JournalError."""
    choices, rounds = _kept(home, key)
    values = {"choices": asdict(choices), "rounds": [asdict(round_) for round_ in rounds]}
    lines = [choices_text(choices), *(line for round_ in rounds for line in round_text(round_))]
    return Part(lines=lines, values=values)


async def live_part(home: Path, key: WorkflowKey, settings: Settings) -> Part:
    """What the server says. Raises JournalError, and InvalidInput for a workflow it has not."""
    server, workflow_id = key
    choices, rounds = await to_thread.run_sync(_kept, home, key)
    settings = settings.chosen(choices)
    recovery = replace(settings.recovery(), max_retries=None)
    try:
        with anyio.fail_after(_SECONDS):
            seen = await inspect(
                workflow_id,
                recovery,
                settings,
                settings.connection(server),
                rounds_used=len(rounds),
            )
    except (ServerError, TimeoutError) as error:
        reason = str(error) or f"{server} does not answer within {_SECONDS:g} s."
        return Part(trouble=f"{reason} Shown is what the daemon knew last.")
    live = seen.counts, seen.observation.allocations, seen.findings
    return Part(
        lines=["", *live_text(*live), *plan_text(workflow_id, seen.answer)],
        values={"live": live_values(*live) | plan_values(workflow_id, seen.answer)},
    )


def _kept(home: Path, key: WorkflowKey) -> tuple[WatchOptions, tuple[PastRound, ...]]:
    return _choices(home, key), _rounds(home, key)


def _choices(home: Path, key: WorkflowKey) -> WatchOptions:
    workflow = known_workflows(home).get(key)
    if workflow is not None and workflow.state is WatchState.UNREADABLE:
        raise RecordUnreadable(workflow.reason)
    return workflow.options if workflow else WatchOptions()


def _rounds(home: Path, key: WorkflowKey) -> tuple[PastRound, ...]:
    watches = [watch for watch in watches_of(home, key.workflow_id) if watch.key == key]
    return watches[-1].rounds if watches else ()


async def plan(
    workflow_id: int, recovery: RecoverySettings, settings: Settings, connection: Connection
) -> PlanResult:
    """What one round of recovery would do; the standing of a workflow that needs or allows none.

    Changes nothing, on the server or here.
    """
    return (await inspect(workflow_id, recovery, settings, connection)).answer


async def inspect(
    workflow_id: int,
    recovery: RecoverySettings,
    settings: Settings,
    connection: Connection,
    *,
    rounds_used: int = 0,
) -> Inspection:
    """A workflow as it is now, with what one more round of recovery would do. Changes nothing."""
    scheduler = local_allocations(settings, connection)
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            observation = await observe(client, scheduler, workflow_id, with_counts=True)
        counts = observation.counts or await client.count_jobs(workflow_id)
        diagnoser = Diagnoser(client, lambda _: None)
        stands = standing(observation)
        is_done = stands is WorkflowState.FINISHED and has_succeeded(counts)
        if is_done or stands not in (WorkflowState.FINISHED, WorkflowState.STALLED):
            findings = await diagnoser.failures(observation.workflow, counts)
            return Inspection(observation, counts, findings, stands)
        diagnosis = await diagnoser.diagnose(observation, counts)
        answer = await make_plan(
            client,
            scheduler,
            workflow=observation.workflow,
            diagnosis=diagnosis,
            rounds_used=rounds_used,
            settings=recovery,
        )
        return Inspection(observation, counts, diagnosis.findings, answer)
