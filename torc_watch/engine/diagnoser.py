"""What a poll result means and, for a workflow at rest, why its jobs failed.

A workflow that is handed over is reported with its failed jobs, and the last line of the error
output of each.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

import anyio

from torc_watch.core import assessment, cancellation, events, intervals, policy
from torc_watch.core.assessment import Observation, WorkflowState
from torc_watch.core.errors import ServerError
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.failure_kind import kinds_of_failures
from torc_watch.core.model import SLURM, JobCounts
from torc_watch.core.suspect_success import Suspicion, reruns, suspect_job
from torc_watch.engine.allocation_notices import allocation_notices, may_soon_be_known
from torc_watch.engine.error_output import error_folders, failed_jobs
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.engine.in_place_planner import InPlacePlanner
from torc_watch.engine.in_place_search import InPlaceSearch
from torc_watch.engine.messages import (
    Decision,
    Diagnosis,
    EngineContext,
    KeepWatching,
    PollResult,
    RecoveryRequest,
    Watch,
    succeeded,
)
from torc_watch.engine.node_records import NodeRecords
from torc_watch.engine.plan_approval import PlanApproval
from torc_watch.engine.postponement import still_postponed
from torc_watch.engine.stranded_search import StrandedSearch
from torc_watch.engine.suspect_search import SuspectSearch
from torc_watch.engine.unneeded_search import unneeded_allocations
from torc_watch.engine.unserved_search import UnservedSearch

_CANCELED = "Workflow {} was canceled. Nothing was changed since; reset it to run it again."
_ARCHIVED = "Workflow {} was archived. Nothing was changed since."
_MOST_KINDS = 10  # of failures, to be reported
_END_OF_SUCCESS = 30.0  # seconds for Slurm to say how the allocations ended
_SHORTEST_GRACE = 1.0  # seconds: what is left may be too little to measure


class Diagnoser:
    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._client = context.client
        self._search = FailureSearch(context.client, context.cluster, context.outputs)
        self._suspects = SuspectSearch(context.client, context.cluster, context.outputs)
        self._stranded = StrandedSearch(context.client)
        self._unserved = UnservedSearch(context.client, context.journal)
        self._in_place = InPlaceSearch(context, self._search)
        self._in_place_planner = InPlacePlanner(context)
        self._nodes = NodeRecords(context)
        self._approval = PlanApproval(context)
        self._journal = context.journal
        self._report = context.report

    async def assess(self, poll: PollResult) -> Decision | RecoveryRequest:
        """A decision where the poll result calls for no round of recovery. Raises ServerError."""
        watch, observation = poll.watch, poll.observation
        state = assessment.workflow_state(observation)
        # Also of a workflow that was canceled since: what the round has submitted has to end.
        if watch.request.recovery is not None and watch.record.has_unfinished_plan:
            return RecoveryRequest(poll=poll)
        if ended := _ended_by_user(watch.workflow_id, state):
            return ended
        for notice in allocation_notices(watch, observation):
            self._report(notice)
        if state is WorkflowState.UNSTARTABLE:
            return await self._assess_unstartable(poll)
        watch.unstartable_since = None
        if state is WorkflowState.WORKING:
            watch.at_rest_since = watch.postponed = None
            self._approval.drop_at_rest(watch)
            if watch.request.once:
                is_soon_known = may_soon_be_known(watch, observation)
                return KeepWatching() if is_soon_known else _still_running(watch.workflow_id)
            return await self._assess_working(poll)
        watch.nodes_awaited_since = None
        return await self._assess_at_rest(poll, state)

    async def _assess_working(self, poll: PollResult) -> Decision | RecoveryRequest:
        if poll.observation.awaits_nodes:
            return await self._await_nodes(poll)
        poll.watch.nodes_awaited_since = None
        poll = await self._with_counts(poll)
        if request := await self._round_beside_workers(poll):
            return request
        if waiting := self._approval.still_waits_beside_workers(poll.watch):
            return waiting
        if unserved := await self._unserved.find(poll):
            return RecoveryRequest(poll=poll, unserved=unserved)
        return self._approval.waits_on(poll.watch)

    async def _round_beside_workers(self, poll: PollResult) -> RecoveryRequest | None:
        """One that may be due whatever waits for approval."""
        if stranded := await self._stranded.find(poll):
            return RecoveryRequest(poll=poll, stranded=stranded)
        if request := await self._retries_in_place(poll):
            return request
        unneeded = unneeded_allocations(poll)
        return RecoveryRequest(poll=poll, unneeded=unneeded) if unneeded else None

    async def _retries_in_place(self, poll: PollResult) -> RecoveryRequest | None:
        """Of jobs that failed while others run."""
        settings = poll.watch.request.recovery
        if settings is None or not poll.watch.in_place.is_on:
            return None
        found = await self._in_place.find(poll)
        plan = await self._in_place_planner.plan(poll, found, settings) if found else None
        if found is None or plan is None:
            return None
        await self._nodes.record(poll.watch, found.findings)  # they will be in no other round
        return RecoveryRequest(poll=poll, in_place=plan)

    async def _with_counts(self, poll: PollResult) -> PollResult:
        """Counts the jobs once for the searches, where one may find something."""
        watch, observation = poll.watch, poll.observation
        has_slurm = any(each.scheduler_type == SLURM for each, _ in observation.allocations)
        may_find = self._in_place.is_on(poll) or has_slurm
        if observation.counts or watch.request.recovery is None or not may_find:
            return poll
        counts = await self._client.count_jobs(watch.workflow_id)
        return replace(poll, observation=replace(observation, counts=counts))

    async def _await_nodes(self, poll: PollResult) -> Decision | RecoveryRequest:
        """Hands over a workflow whose last workers may be on failed nodes, after a grace."""
        watch, observation = poll.watch, poll.observation
        counts = observation.counts or await self._client.count_jobs(watch.workflow_id)
        if assessment.has_succeeded(counts):
            return await self._assess_at_rest(poll, WorkflowState.FINISHED)
        now = anyio.current_time()
        if watch.nodes_awaited_since is None:
            watch.nodes_awaited_since = now
            self._report(
                events.NodesAwaited(
                    workflow_id=watch.workflow_id,
                    nodes=assessment.silent_nodes(observation),
                    seconds=intervals.NODE_GRACE,
                )
            )
        if now - watch.nodes_awaited_since < intervals.NODE_GRACE:
            return KeepWatching()
        reason = assessment.silent_nodes_reason(observation)
        return await self._hand_over(poll, counts, Verdict.HANDED_OVER, reason)

    async def _assess_unstartable(self, poll: PollResult) -> Decision | RecoveryRequest:
        counts = poll.observation.counts or await self._client.count_jobs(poll.watch.workflow_id)
        if assessment.has_succeeded(counts):
            return await self._assess_at_rest(poll, WorkflowState.FINISHED)
        # While nodes come and go, Slurm may say for a moment that none is large enough.
        now = anyio.current_time()
        poll.watch.unstartable_since = poll.watch.unstartable_since or now
        may_pass = now - poll.watch.unstartable_since < intervals.STALL_GRACE
        if may_pass and not poll.watch.request.once:
            return KeepWatching()
        reason = assessment.unstartable_reason(poll.observation)
        return await self._hand_over(poll, counts, Verdict.STUCK, reason)

    async def _assess_at_rest(
        self, poll: PollResult, state: WorkflowState
    ) -> Decision | RecoveryRequest:
        """The same for a workflow without workers."""
        workflow_id = poll.watch.workflow_id
        counts = poll.observation.counts or await self._client.count_jobs(workflow_id)
        if waiting := self._approval.still_waits(poll, counts):
            return waiting
        is_finished = state is WorkflowState.FINISHED and not counts.of(*assessment.UNFINISHED)
        if is_finished and assessment.has_succeeded(counts):
            return await self._assess_success(poll, counts)
        if not counts.total:
            return _ended_without_jobs(workflow_id)
        if waiting := await self._rest(poll, counts, is_finished=is_finished):
            return waiting
        if is_finished:
            self._report(events.WorkflowComplete(workflow_id=workflow_id))
            self._report(events.WorkflowFailed(workflow_id=workflow_id, counts=counts))
            return await self._recover_or_hand_over(poll, counts, Verdict.FAILED)
        self._report(events.WorkflowStalled(workflow_id=workflow_id, counts=counts))
        return await self._recover_or_hand_over(poll, counts, Verdict.STUCK)

    async def _rest(
        self, poll: PollResult, counts: JobCounts, *, is_finished: bool
    ) -> KeepWatching | None:
        """None where the workflow will not continue by itself, and its jobs may run again."""
        if waiting := await still_postponed(self._context, poll, counts):
            return waiting
        if grace := self._grace_left(poll, counts, is_finished=is_finished):
            return KeepWatching(grace)
        return KeepWatching() if await self._is_early(poll, counts) else None

    async def _assess_success(
        self, poll: PollResult, counts: JobCounts
    ) -> Decision | RecoveryRequest:
        """The verdict stands, whatever is suspect; only where the user said so jobs run again."""
        watch, workflow = poll.watch, poll.observation.workflow
        since = watch.at_rest_since = watch.at_rest_since or anyio.current_time()
        may_wait = not watch.request.once and anyio.current_time() < since + _END_OF_SUCCESS
        output_dir = watch.request.output_dir
        found = await self._suspects.find(workflow, counts, output_dir, may_wait=may_wait)
        if found.is_early:
            return KeepWatching(_END_OF_SUCCESS / 3)
        diagnosis = await self._rerun(poll, counts, found.suspects)
        if diagnosis and (grace := self._grace_left(poll, counts, is_finished=True)):
            return KeepWatching(grace)
        with suppress(ServerError):  # the success is certain
            await self._nodes.decide(watch)
        self._report(events.WorkflowComplete(workflow_id=workflow.id))
        self._report_suspects(workflow.id, found.suspects, found.unchecked)
        if diagnosis is None:
            self._report(events.WorkflowSucceeded(workflow_id=workflow.id, counts=counts))
            return succeeded(workflow.id, len(found.suspects))
        self._report_attempt(watch)
        return RecoveryRequest(poll=poll, diagnosis=diagnosis)

    async def _rerun(
        self, poll: PollResult, counts: JobCounts, suspects: tuple[Suspicion, ...]
    ) -> Diagnosis | None:
        """With the suspects, of a workflow that succeeded; None if none of them runs again."""
        watch, observation = poll.watch, poll.observation
        settings, past = watch.request.recovery, watch.record.past
        if observation.may_have_workers or not reruns(suspects, past, settings):
            return None
        if settings is None or policy.exhausted(past.used, settings):
            return None
        diagnosis = await self._search.diagnose(observation, counts, watch.request.output_dir)
        if _objection(poll, diagnosis, self._journal.ended_in(watch.record.id)):
            return None
        return replace(diagnosis, suspects=suspects)

    async def _is_early(self, poll: PollResult, counts: JobCounts) -> bool:
        """False where the user says that the workflow is at rest."""
        since = poll.watch.at_rest_since
        if since is None or anyio.current_time() >= since + intervals.END_GRACE:
            return False
        return await self._search.is_early(poll.observation.workflow, counts)

    def _grace_left(self, poll: PollResult, counts: JobCounts, *, is_finished: bool) -> float:
        """For how many seconds the workflow may still continue by itself; 0 when they are over."""
        watch, observation = poll.watch, poll.observation
        if watch.request.once:  # the user says that the workflow is at rest
            return 0.0
        grace = 0.0 if is_finished else assessment.grace_before_stall(observation, counts)
        if watch.request.recovery is not None:
            self._await_idle_workers(watch, observation)
            grace = max(grace, assessment.grace_before_recovery(observation))
        now = anyio.current_time()
        if watch.at_rest_since is None:
            watch.at_rest_since = now
        left = watch.at_rest_since + grace - now
        return max(left, _SHORTEST_GRACE) if left > 0 else 0.0

    def _await_idle_workers(self, watch: Watch, observation: Observation) -> None:
        """An idle worker elsewhere that was not seen before gets the whole grace."""
        new = [node for node in observation.idle_elsewhere if node.id not in watch.awaited]
        if not new:
            return
        watch.at_rest_since = anyio.current_time()
        watch.awaited |= {node.id for node in new}
        self._report(
            events.WorkersAwaited(
                workflow_id=watch.workflow_id,
                hostnames=tuple(sorted({node.hostname for node in new})),
                seconds=intervals.LEAVING_GRACE,
            )
        )

    async def _recover_or_hand_over(
        self, poll: PollResult, counts: JobCounts, without_recovery: Verdict
    ) -> Decision | RecoveryRequest:
        watch = poll.watch
        for allocation, status in poll.observation.allocations:
            if status.has_failed:
                self._report(
                    events.AllocationFailed(
                        workflow_id=watch.workflow_id,
                        scheduler=allocation.scheduler_type,
                        scheduler_id=allocation.scheduler_id,
                        status=status,
                    )
                )
        used, settings = watch.record.past.used, watch.request.recovery
        if settings is None:
            is_stuck = without_recovery is Verdict.STUCK
            reason = assessment.stuck_reason(watch.workflow_id, counts) if is_stuck else ""
            return await self._hand_over(poll, counts, without_recovery, reason)
        if not policy.exhausted(used, settings):  # else only a round that uses no retry is left
            self._report_attempt(watch)
            self._report(events.DiagnosisStarted(workflow_id=watch.workflow_id))
        diagnosis = await self._diagnose(poll, counts)
        if not policy.exhausted(used, settings):
            self._report(_diagnosed(watch.workflow_id, diagnosis))
        ended_by_us = self._journal.ended_in(watch.record.id)
        if objection := _objection(poll, diagnosis, ended_by_us):
            return _handed_over(watch, Verdict.HANDED_OVER, objection, diagnosis)
        return RecoveryRequest(poll=poll, diagnosis=diagnosis)

    def _report_attempt(self, watch: Watch) -> None:
        settings = watch.request.recovery
        self._report(
            events.RecoveryAttempted(
                workflow_id=watch.workflow_id,
                number=watch.record.past.used + 1,
                max_retries=settings.max_retries if settings else None,
            )
        )

    def _report_suspects(
        self, workflow_id: int, suspects: tuple[Suspicion, ...], unchecked: str
    ) -> None:
        if unchecked:
            self._report(events.SuccessesUnchecked(workflow_id=workflow_id, reason=unchecked))
        if suspects:
            jobs = tuple(map(suspect_job, suspects))
            self._report(events.SuspectsFound(workflow_id=workflow_id, suspects=jobs))

    async def _hand_over(
        self, poll: PollResult, counts: JobCounts, verdict: Verdict, reason: str
    ) -> WatchEnded:
        return _handed_over(poll.watch, verdict, reason, await self._diagnose(poll, counts))

    async def _diagnose(self, poll: PollResult, counts: JobCounts) -> Diagnosis:
        request = poll.watch.request
        diagnosis = await self._search.diagnose(poll.observation, counts, request.output_dir)
        await self._nodes.record(poll.watch, diagnosis.findings)
        await self._nodes.decide(poll.watch, {each.job.id for each in diagnosis.findings})
        if diagnosis.unread:
            self._report(
                events.OutputUnread(workflow_id=request.workflow_id, jobs=diagnosis.unread)
            )
        workflow = poll.observation.workflow
        diagnosis, unchecked = await self._suspects.with_suspects(
            diagnosis, workflow, request.output_dir
        )
        self._report_suspects(workflow.id, diagnosis.suspects, unchecked)
        return diagnosis


def _diagnosed(workflow_id: int, diagnosis: Diagnosis) -> events.FailuresDiagnosed:
    kinds = kinds_of_failures(diagnosis.findings)
    return events.FailuresDiagnosed(
        workflow_id=workflow_id, kinds=kinds[:_MOST_KINDS], others=len(kinds[_MOST_KINDS:])
    )


def _handed_over(watch: Watch, verdict: Verdict, reason: str, diagnosis: Diagnosis) -> WatchEnded:
    return WatchEnded(
        workflow_id=watch.workflow_id,
        verdict=verdict,
        reason=reason,
        evidence=failed_jobs(
            diagnosis.findings, watch.workflow_id, error_folders(watch.request.output_dir)
        ),
        rounds_used=watch.record.past.used,
    )


def _objection(poll: PollResult, diagnosis: Diagnosis, ended_by_us: Collection[int]) -> str:
    """Why a user must decide first; empty if the workflow may be recovered."""
    watch, workflow = poll.watch, poll.observation.workflow
    if diagnosis.offline:
        return diagnosis.offline.reason(workflow, watch.request.output_dir)
    if watch.request.once:
        return ""
    ended = [each for each in diagnosis.ended if each[0].scheduler_id not in ended_by_us]
    canceled = cancellation.canceled_since(ended, watch.record.began)
    return cancellation.handover_reason(workflow.id, canceled) if canceled else ""


def _ended_by_user(workflow_id: int, state: WorkflowState) -> WatchEnded | None:
    if state not in (WorkflowState.CANCELED, WorkflowState.ARCHIVED):
        return None
    sentence = _CANCELED if state is WorkflowState.CANCELED else _ARCHIVED
    return WatchEnded.handed_over(workflow_id, sentence.format(workflow_id))


def _ended_without_jobs(workflow_id: int) -> WatchEnded:
    return WatchEnded.handed_over(
        workflow_id,
        f"Workflow {workflow_id} has no jobs. If it had some, check the server: Torc 1.0 "
        "drops the jobs when it takes over a database of 0.12.",
    )


def _still_running(workflow_id: int) -> WatchEnded:
    return WatchEnded.handed_over(
        workflow_id,
        f"Workflow {workflow_id} still has workers. Recover it when they have left, or "
        f"leave it to `torc-watchd watch {workflow_id} --auto-recover`.",
    )
