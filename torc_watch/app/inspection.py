"""A workflow as it is now and as it was recorded, for users: nothing here changes anything."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import anyio

from torc_watch.app.composition import (
    open_client,
    open_cluster,
    rules,
    server_url,
    unknown_id_refused,
)
from torc_watch.app.foreground_watch import settings_of_watch
from torc_watch.config.settings import Settings
from torc_watch.core.assessment import Observation, WorkflowState, has_succeeded, workflow_state
from torc_watch.core.budgets import Budgets, budgets_of
from torc_watch.core.errors import (
    InvalidInput,
    JournalError,
    RecordUnreadable,
    ServerError,
    ServerUnreachable,
)
from torc_watch.core.events import FailedJob
from torc_watch.core.findings import Finding
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.misread_runtimes import notes_on_run_times
from torc_watch.core.model import JobCounts
from torc_watch.core.node_hours import NodeHours
from torc_watch.core.node_incident import NodeIncident
from torc_watch.core.past_attempt import PastAttempt, past_attempts
from torc_watch.core.past_watch import PastRound, PastWatch
from torc_watch.core.plan_identity import plan_id
from torc_watch.core.plan_price import PlanPrice, price_of
from torc_watch.core.recovery_round import (
    PastRounds,
    Plan,
    Postponement,
    RecoverySettings,
    Refusal,
    RefusalKind,
    limited_retries,
    uses_round,
)
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.suspect_success import Suspicion, reruns, suspects_text
from torc_watch.core.unfailed_job import job_named, job_standing
from torc_watch.core.workflow_key import WorkflowIdentity, WorkflowKey, resolve_key
from torc_watch.daemon.commands import WatchOptions, WatchState
from torc_watch.daemon.node_history import incidents_in
from torc_watch.daemon.status_file import read_status
from torc_watch.daemon.stored_attempts import StoredAttempts, attempts_of
from torc_watch.daemon.watch_history import known_workflows, watches_of
from torc_watch.daemon.workflow_view import DaemonView
from torc_watch.engine.attempt_history import with_found
from torc_watch.engine.error_output import error_folders, failed_jobs
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.messages import Diagnosis, utc_now
from torc_watch.engine.node_hour_count import count_node_hours
from torc_watch.engine.output_reader import OutputReader
from torc_watch.engine.planner import History, Timing, expected_start, make_plan
from torc_watch.engine.suspect_search import SuspectSearch
from torc_watch.engine.workers import observe
from torc_watch.render.plan_text import PlanResult, unread_notes
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection

_SERVER_TIMEOUT = 20.0  # seconds for a server to answer all requests of an inspection
_SUSPECTS_TIMEOUT = 10.0  # of them, for a workflow that succeeded
_READING_TIMEOUT = 5.0  # of them, for what jobs have written
_EXPLAINING_TIMEOUT = 60.0  # instead, for a user who wants to know why jobs failed


@dataclass(frozen=True, slots=True)
class Inspection:
    """One poll of a workflow; ``answer`` is what a round of recovery would do, or why none would.

    ``findings`` say why jobs failed so far, ``notes`` what is odd about the rows on the server.
    ``past`` are the rounds of the workflow's watch, ``node_hours`` those that it used in Slurm.
    ``suspects`` are completed jobs whose success is, of a workflow at rest. ``of_watch`` says that
    the round is the next one of the workflow's watch, not one that a user asks for;
    ``is_watched`` that the daemon knows the workflow. ``plan_id`` is empty, and ``price`` None,
    where the answer is no plan; only ``plan`` asks the scheduler for an expected start.
    """

    observation: Observation
    counts: JobCounts
    findings: tuple[Finding, ...]
    answer: PlanResult
    past: PastRounds
    notes: tuple[str, ...] = ()
    node_hours: NodeHours = field(default_factory=NodeHours)
    suspects: tuple[Suspicion, ...] = ()
    of_watch: bool = False
    is_watched: bool = False
    plan_id: str = ""
    price: PlanPrice | None = None

    @property
    def past_of_round(self) -> PastRounds:
        """A round that a user asks for is the first one of its own."""
        return self.past if self.of_watch else PastRounds()

    @property
    def decision(self) -> Plan | Postponement | Refusal | None:
        """The answer where a round was decided on; None where the workflow needs none."""
        return self.answer if isinstance(self.answer, Plan | Postponement | Refusal) else None

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Also that there was no time to read what jobs have written."""
        return (*self.notes, *unread_notes(self.observation.workflow.id, self.findings))


@dataclass(frozen=True, slots=True)
class ErrorOutput:
    """The failed jobs with their last error lines, and the folders in which those were sought."""

    jobs: tuple[FailedJob, ...]
    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class StoredWatch:
    """The options that were given for a workflow, and its last watch: its rounds and its begin.

    ``is_watched`` says that the daemon knows the workflow, ``is_open`` that the watch goes on.
    """

    options: WatchOptions
    rounds: tuple[PastRound, ...]
    began: datetime | None = None
    is_watched: bool = False
    is_open: bool = False


def find_workflow(
    home: Path, daemon: DaemonView | None, workflow_id: int, url: str | None
) -> WorkflowKey | None:
    """The daemon's workflow with this ID, None if it has none.

    Reads the journal and the spool only for a workflow that is not in status.json yet. Raises
    JournalError, and InvalidInput for an ID that several servers have.
    """
    server = server_url(url)
    views = daemon.workflows if daemon else ()
    known = {view.key for view in views}
    if not any(key.workflow_id == workflow_id and server in (None, key.server) for key in known):
        known = set(known_workflows(home))
    if not any(key.workflow_id == workflow_id and server in (None, key.server) for key in known):
        return None
    return resolve_key(workflow_id, server, known)


def past_watches(home: Path, workflow_id: int, url: str | None) -> list[PastWatch]:
    """The watches of a workflow, the first one first. Raises InvalidInput where there is none."""
    watches = watches_of(home, workflow_id)
    if not watches:
        raise InvalidInput(f"The journal in {home} has no watch of workflow {workflow_id}.")
    keys = {watch.key for watch in watches}
    if url is None and len(keys) > 1:  # the journal remembers servers that are gone
        keys = keys & known_workflows(home).keys() or keys
    key = resolve_key(workflow_id, server_url(url), keys)
    return [watch for watch in watches if watch.key == key]


def read_stored_watch(home: Path, key: WorkflowKey) -> StoredWatch:
    """The options and rounds of the daemon's workflow. Raises JournalError, RecordUnreadable."""
    workflow = known_workflows(home).get(key)
    if workflow is not None and workflow.state is WatchState.UNREADABLE:
        raise RecordUnreadable(workflow.reason)
    options = workflow.options if workflow else WatchOptions()
    watches = [watch for watch in watches_of(home, key.workflow_id) if watch.key == key]
    if not watches:
        return StoredWatch(options, rounds=(), is_watched=workflow is not None)
    last = watches[-1]
    return StoredWatch(
        options,
        rounds=last.rounds,
        began=datetime.fromisoformat(last.began),
        is_watched=workflow is not None,
        is_open=last.ended is None,
    )


async def inspect_stored(
    key: WorkflowKey,
    record: StoredWatch,
    settings: Settings,
    *,
    is_watched: bool = True,
    reading: float = _READING_TIMEOUT,
) -> Inspection:
    """The workflow as it is on its server, with its own options.

    ``reading`` is how long (s) it may take to read what jobs have written. Raises ServerUnreachable
    if the server does not answer in time, or not as it should, and InvalidInput for a workflow that
    it does not have.
    """
    server, workflow_id = key
    connection = settings.connection(server)
    ended = [round_ for round_ in record.rounds if round_.ended is not None]
    past = PastRounds(
        ended=len(ended),
        used=sum(uses_round(each.plan, each.outcome) for each in ended),
        retried=tuple(
            retry for each in ended for retry in limited_retries(each.plan, each.outcome)
        ),
        began=record.began,
    )
    own = _settings_of(record, settings)
    of_watch = record.is_watched and own.auto_recover
    may_wait = record.is_open and of_watch and not own.recovery().after_repair
    try:
        with anyio.fail_after(_SERVER_TIMEOUT - _READING_TIMEOUT + reading):
            seen = await inspect(
                workflow_id,
                own,
                connection,
                record=_Record(past=past, of_watch=of_watch, may_wait=may_wait),
                reading=reading,
            )
            return replace(seen, is_watched=record.is_watched)
    except (ServerError, TimeoutError) as error:
        reason = str(error) or f"{server} did not answer within {_SERVER_TIMEOUT:g} s."
        shown = (
            "The output shows what the daemon knew last."
            if is_watched
            else f"The daemon does not watch workflow {workflow_id} and knows nothing of it."
        )
        raise ServerUnreachable(f"{reason} {shown}") from error


def _settings_of(record: StoredWatch, settings: Settings) -> Settings:
    """As the daemon has them, where it watches the workflow."""
    if record.is_watched:
        return settings_of_watch(record.options, settings)
    return settings.with_options(record.options)


def read_error_output(seen: Inspection, record: StoredWatch, settings: Settings) -> ErrorOutput:
    """Of the jobs that failed, on this machine."""
    workflow = seen.observation.workflow
    folders = error_folders(
        _settings_of(record, settings).output_dir, workflow.submission_directory
    )
    return ErrorOutput(failed_jobs(seen.findings, workflow.id, folders), folders)


def _settings_of_round(settings: Settings, *, of_watch: bool) -> RecoverySettings:
    """Without a watch that recovers, the round is one that the user asks for, as `recover`."""
    given = settings.recovery()
    return replace(given, max_retries=None, after_repair=given.after_repair or not of_watch)


def budgets_seen(seen: Inspection, record: StoredWatch, settings: Settings) -> Budgets:
    """Of the workflow's watch."""
    own = _settings_of(record, settings)
    return budgets_of(seen.past, own.recovery(), seen.node_hours.used, recovers=own.auto_recover)


async def explain(workflow_id: int, url: str | None, settings: Settings) -> Inspection:
    """The workflow as it is now: as the daemon would see it, where that knows it.

    Takes its time for what jobs have written. Raises ServerUnreachable, InvalidInput, JournalError.
    """
    home = settings.home
    key = find_workflow(home, read_status(home), workflow_id, url)
    if key is None:
        connection = settings.connection(url)
        return await inspect(workflow_id, settings, connection, reading=_EXPLAINING_TIMEOUT)
    record = read_stored_watch(home, key)
    return await inspect_stored(key, record, settings, reading=_EXPLAINING_TIMEOUT)


async def read_attempts(
    finding: Finding, workflow_id: int, url: str | None, settings: Settings
) -> tuple[PastAttempt, ...]:
    """How the job of the finding ended before. Raises ServerError, InvalidInput, JournalError."""
    home = settings.home
    key = find_workflow(home, read_status(home), workflow_id, url)
    rounds = read_stored_watch(home, key).rounds if key else ()
    retries = {
        each.plan.run_id: retry
        for each in rounds
        if each.plan
        for retry in each.plan.retries
        if retry.job_id == finding.job.id
    }
    connection = settings.connection(key.server if key else url)
    async with open_client(connection) as client:
        results = await client.list_attempts(workflow_id, finding.job.id)
    return past_attempts(finding, results, retries)


@dataclass(frozen=True, slots=True)
class _AskedRound:
    """A round that a user asks for, of the ``choice`` of failed jobs."""

    choice: JobChoice | None


async def plan(
    workflow_id: int, settings: Settings, connection: Connection, choice: JobChoice | None = None
) -> Inspection:
    """What one round of recovery would do; the state of a workflow that needs or allows none.

    Of all failed jobs, or of those of the ``choice``. Changes nothing, on the server or here. Who
    is shown the plan may have it carried out by its ID: `chosen_round.carry_out`.
    """
    return await inspect(
        workflow_id,
        settings,
        connection,
        asked=_AskedRound(choice),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What the journal knows: the ``past`` rounds of the last watch.

    ``of_watch`` says that the next round is one of that watch, and ``may_wait`` that its retries
    may come later: a user who asks for a round waits for nothing.
    """

    past: PastRounds = field(default_factory=PastRounds)
    of_watch: bool = False
    may_wait: bool = False


async def inspect(
    workflow_id: int,
    settings: Settings,
    connection: Connection,
    *,
    record: _Record | None = None,
    asked: _AskedRound | None = None,
    reading: float = _READING_TIMEOUT,
) -> Inspection:
    """A workflow as it is now, with what one more round of recovery would do. Changes nothing.

    ``record`` is what is known of it beside its server; without one the round is one that a user
    asks for. That there is room again shows when the watch goes on. ``reading`` is how long (s) it
    may take to read what jobs have written. A round that is ``asked`` for now knows that silent
    nodes are off, and when its first allocation would begin.
    """
    cluster = open_cluster(settings)
    known = record or _Record()
    round_settings = _settings_of_round(settings, of_watch=known.of_watch)
    round_settings = replace(round_settings, choice=asked.choice if asked else None)
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            observation = await observe(
                client,
                cluster,
                workflow_id,
                with_counts=True,
                max_age=0,
                silent_nodes_are_off=asked is not None,
            )
        counts = observation.counts or await client.count_jobs(workflow_id)
        hours = NodeHours()
        if record is not None:
            hours = await count_node_hours(client, workflow_id, utc_now())
        notes = tuple(notes_on_run_times(await client.list_requirements(workflow_id)))
        outputs = JobOutputs(rules, OutputReader(reading))
        searches = _Searches(
            failures=FailureSearch(client, cluster, outputs),
            suspects=SuspectSearch(client, cluster, outputs),
        )
        state = workflow_state(observation)
        seen = Inspection(
            observation, counts, (), state, known.past, notes, hours, of_watch=known.of_watch
        )
        at_rest = await _inspect_at_rest(seen, searches, settings, round_settings)
        if not isinstance(at_rest, _ToPlan):
            return at_rest
        answer = await make_plan(
            client,
            cluster,
            workflow=observation.workflow,
            diagnosis=at_rest.diagnosis,
            history=await _history(client, at_rest, settings.home, round_settings),
            settings=round_settings,
            timing=Timing(now=utc_now(), may_wait=known.may_wait, has_room=False),
        )
        if isinstance(answer, Plan):
            return await _priced(at_rest.seen, answer, connection, cluster if asked else None)
        is_done = has_succeeded(counts) and isinstance(answer, Refusal)
        return replace(at_rest.seen, answer=at_rest.seen.answer if is_done else answer)


async def _priced(
    seen: Inspection, plan: Plan, connection: Connection, cluster: Cluster | None
) -> Inspection:
    """With a plan, its ID and its price. Raises SchedulerError."""
    starts_at = await expected_start(plan, cluster) if cluster else None
    return replace(
        seen,
        answer=plan,
        plan_id=plan_id(plan, server=connection.url, created=seen.observation.workflow.created),
        price=price_of(plan, starts_at),
    )


async def _history(
    client: TorcClient, at_rest: "_ToPlan", home: Path, settings: RecoverySettings
) -> History:
    """As a round would have it, of which the journal may have less than it would then."""
    seen = at_rest.seen
    workflow = seen.observation.workflow
    identity = WorkflowIdentity.of(workflow, client.transport.connection.url)
    stored = StoredAttempts()
    with suppress(JournalError):  # no reason not to make a plan
        stored = attempts_of(home, identity)
    return History(
        past=seen.past_of_round,
        incidents=_incidents(home),
        attempts=await with_found(
            client,
            workflow,
            at_rest.diagnosis.findings,
            stored.attempts,
            stored.scouts,
            with_peers=settings.sizing is SizingPolicy.EVIDENCE,
        ),
    )


def _incidents(home: Path) -> Collection[NodeIncident]:
    """Of nodes; none where the journal cannot be read, which is no reason not to make a plan."""
    with suppress(JournalError):
        return incidents_in(home)
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Searches:
    failures: FailureSearch
    suspects: SuspectSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class _ToPlan:
    """What was seen, for which there may be a plan."""

    seen: Inspection
    diagnosis: Diagnosis


async def _inspect_at_rest(
    seen: Inspection, searches: _Searches, settings: Settings, round_settings: RecoverySettings
) -> Inspection | _ToPlan:
    workflow, counts, output_dir = seen.observation.workflow, seen.counts, settings.output_dir
    is_finished = seen.answer is WorkflowState.FINISHED
    if is_finished and has_succeeded(counts):
        seen = await _inspect_success(seen, searches.suspects, output_dir)
        if not reruns(seen.suspects, seen.past_of_round, round_settings):
            return seen
        diagnosis = await searches.failures.diagnose(seen.observation, counts, output_dir)
        return _ToPlan(seen=seen, diagnosis=replace(diagnosis, suspects=seen.suspects))
    if not is_finished and seen.answer is not WorkflowState.STALLED:
        findings = await searches.failures.failures(workflow, counts, output_dir)
        return replace(seen, findings=findings)
    diagnosis = await searches.failures.diagnose(seen.observation, counts, output_dir)
    if diagnosis.offline:
        reason = diagnosis.offline.reason(workflow, output_dir)
        refusal = Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason=reason)
        return replace(seen, findings=diagnosis.findings, answer=refusal)
    diagnosis, unchecked = await searches.suspects.with_suspects(diagnosis, workflow, output_dir)
    seen = replace(seen, findings=diagnosis.findings)
    return _ToPlan(seen=_with_suspects(seen, diagnosis.suspects, unchecked), diagnosis=diagnosis)


async def _inspect_success(seen: Inspection, search: SuspectSearch, output_dir: Path) -> Inspection:
    with anyio.move_on_after(_SUSPECTS_TIMEOUT):
        found = await search.find(seen.observation.workflow, seen.counts, output_dir)
        return _with_suspects(seen, found.suspects, found.unchecked)
    return _with_suspects(seen, (), "that takes too long")


def _with_suspects(seen: Inspection, suspects: tuple[Suspicion, ...], unchecked: str) -> Inspection:
    notes = [*seen.notes]
    if suspects:
        notes.append(suspects_text(len(suspects), seen.observation.workflow.id))
    if unchecked:
        notes.append(f"Not all successes were checked: {unchecked}")
    return replace(seen, suspects=suspects, notes=tuple(notes))


async def read_standing(workflow_id: int, job: str, url: str | None, settings: Settings) -> str:
    """How a job stands that has not failed. Raises InvalidInput for one that is not there.

    Also ServerError and JournalError.
    """
    key = find_workflow(settings.home, read_status(settings.home), workflow_id, url)
    async with open_client(settings.connection(key.server if key else url)) as client:
        jobs = await client.list_jobs(workflow_id)
        found = job_named(job, jobs)
        if found is None:
            raise InvalidInput(
                f"Workflow {workflow_id} has no job {job}. "
                f"See all failures with: torc-watchd why {workflow_id}"
            )
        dependents = await client.list_dependents(workflow_id)
    return job_standing(workflow_id, found, jobs, dependents or ())
