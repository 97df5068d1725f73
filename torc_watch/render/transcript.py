"""The transcript for the terminal: each event of the engine as lines of text."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from torc_watch.core import events, units
from torc_watch.core.allocation import AllocationSpec, EndCause
from torc_watch.core.assessment import Orphans
from torc_watch.core.cause import Cause
from torc_watch.core.events import Event, FailedJob, SuspectJob, Verdict, WatchEnded
from torc_watch.core.failure_kind import FailureKind
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.orphaned_job import OrphanedJob
from torc_watch.core.recovery_round import Plan, Repeat, Retry, Skip
from torc_watch.render.cause_text import cause_text
from torc_watch.render.job_groups import alike, named
from torc_watch.render.price_text import price_text
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import waits_until

T = TypeVar("T")
Planned = TypeVar("Planned", Retry, Skip, Repeat)

_MAX_PHRASE = 1000  # of a scheduler: it may contain a path
_MAX_LINE = 200  # of error output
_MAX_REASON = 500  # it may quote a line and name a suspect
_NUMBERS_PER_LINE = 10
_FIXES_APART = 5  # each on its own line, as Torc's tutorial has them
_LINES_PER_LIST = 50  # a plan may have thousands of jobs; the log lists all of them

_REPEATED = "depends on a job that runs again; Torc restarts it, too"
_MANUAL = "Manual intervention required."
_AFTERWARDS = {
    Verdict.FAILED: (
        "Auto-recovery disabled. To enable, use --auto-recover flag.",
        "Or use the Torc MCP server with your AI assistant for manual recovery.",
    ),
    Verdict.EXHAUSTED: ("Use the Torc MCP server with your AI assistant to investigate.",),
}


class Transcript:
    """Turns events of one watch into lines.

    Remembers whether that watch recovers, and the counts that it has shown: the same ones are not
    repeated at each poll. ``clock`` gives the time that is shown beside counts.
    """

    def __init__(self, clock: Callable[[], str] | None = None) -> None:
        self._clock = clock
        self._recovers = False
        self._shown: JobCounts | None = None

    def lines(self, event: Event) -> Iterator[str]:
        match event:
            case events.WatchStarted():
                yield from self._start(event)
            case events.JobsCounted(counts=counts):
                if counts != self._shown:
                    self._shown = counts
                    time = f"  ({self._clock()})" if self._clock else ""
                    yield f"  {_counts(counts)}{time}"
            case events.WorkflowFailed():
                yield from _failure(event.counts, with_zeros=self._recovers)
            case events.RecoveryInitiated():
                yield ""
                if event.resumes_watching:
                    yield "Recovery initiated. Resuming monitoring..."
                    yield ""
                else:
                    yield "Recovery initiated."
            case events.WatchEnded():
                yield from _end(event)
            case _:
                yield from _simple(event)

    def _start(self, event: events.WatchStarted) -> Iterator[str]:
        self._recovers = event.auto_recover
        self._shown = None
        notes = [f"poll interval: {event.poll_interval:g}s"]
        if event.auto_recover:
            notes += ["auto-recover enabled", f"max retries: {event.max_retries}"]
        if event.show_job_counts:
            notes.append("job counts enabled")
        yield f"Watching workflow {event.workflow_id} ({', '.join(notes)})"


def _simple(event: Event) -> Iterator[str]:
    match event:
        case events.WorkflowComplete():
            yield f"Workflow {event.workflow_id} is complete"
            yield ""
        case events.WorkflowSucceeded():
            yield f"✓ Workflow completed successfully ({jobs_text(event.counts.total)})"
        case events.WorkflowStalled():
            yield f"Workflow {event.workflow_id} has jobs left and no workers to run them:"
            yield f"  {_counts(event.counts)}"
        case events.AllocationSubmitted(scheduler="slurm"):
            yield f"  Submitted Slurm job {event.scheduler_id} ({event.token})"
        case events.RetryPostponed():
            yield f"Waiting {waits_until(event.until, event.reason)}"
        case _:
            yield from _recovery(event)


def _recovery(event: Event) -> Iterator[str]:
    match event:
        case events.RecoveryAttempted():
            yield ""
            bound = "" if event.max_retries is None else f"/{event.max_retries}"
            yield f"Attempting automatic recovery (attempt {event.number}{bound})"
        case events.RecoveryContinued():
            yield f"Continuing recovery round {event.number} at step '{event.step}'"
        case events.RecoveryPlanned():
            yield _planned(event.plan)
            yield from plan_lines(event.plan, fixes="Applied fixes")
        case events.PlanProposed() | events.ApprovalAwaited():
            yield from _waiting_plan(event)
        case events.PlanApproved():
            why = f": {printable(event.reason)}" if event.reason else ""
            yield f"Plan {event.plan_id} was approved by {printable(event.by)}{why}"
        case events.HookStarted():
            yield ""
            yield f"Running recovery hook: {printable(event.command)}"
        case events.HookPrinted():
            yield f"  [hook] {printable(event.line)}"
        case events.ResetStarted():
            yield ""
            yield "Resetting failed jobs..."
        case events.InitializationAwaited():
            yield f"  The server has been initializing the jobs for {event.seconds} s..."
        case _:
            yield from _diagnosis(event)


def _planned(plan: Plan) -> str:
    if plan.in_place and plan.retries:
        return f"Retrying {jobs_text(len(plan.retries))} while others run:"
    if plan.in_place:
        return f"Raising the requests of {jobs_text(len(plan.raises))} before they start:"
    return "Applying recovery heuristics..."


def _waiting_plan(event: events.PlanProposed | events.ApprovalAwaited) -> Iterator[str]:
    workflow_id = event.workflow_id
    if isinstance(event, events.PlanProposed) and event.replaces:
        yield f"The plan changed: {event.replaces} is no longer the one to approve."
    yield "The next round would:"
    yield from plan_lines(event.plan)
    for text in allocation_texts(event.plan.allocations):
        yield f"  Submit {text}"
    yield f"Plan {event.plan_id}: {price_text(event.price)}"
    yield f"Waiting for approval: {event.waiting.reason}"
    yield f"  Approve it with: torc-watchd approve {workflow_id}"
    yield f"  Reject it with:  torc-watchd reject {workflow_id} --reason TEXT"


def _diagnosis(event: Event) -> Iterator[str]:
    match event:
        case events.DiagnosisStarted():
            yield ""
            yield "Diagnosing failures..."
        case events.InPlaceOff():
            reason = printable(event.reason, _MAX_REASON)
            yield f"Failed jobs wait until no others run: {reason}"
        case events.RemnantsEnded():
            yield f"Ended {_processes_text(event.processes)} that failed attempts left running"
        case events.RemnantsUnclear():
            reason = printable(event.reason, _MAX_REASON)
            yield f"{jobs_text(event.jobs)} not retried while others run:"
            yield f"  processes of the failed attempt may be left: {reason}"
        case events.OutputUnread():
            yield f"  What {jobs_text(event.jobs)} wrote could not be read in time."
        case events.FailuresDiagnosed():
            yield from map(_kind, event.kinds)
            if event.others:
                yield f"  ... and {event.others} more reasons"
        case _:
            yield from _suspicion(event)


def _suspicion(event: Event) -> Iterator[str]:
    match event:
        case events.SuspectsFound():
            yield from suspect_lines(event.suspects)
            yield f"  More with: torc-watchd why {event.workflow_id}"
        case events.SuccessesUnchecked():
            reason = printable(event.reason, max_length=_MAX_PHRASE)
            yield f"Not all successes were checked: {reason}"
        case _:
            yield from _submission(event)


def _kind(kind: FailureKind) -> str:
    what = f"{jobs_text(kind.jobs)}: {cause_text(kind.cause)} ({kind.confidence})"
    return f"  {what}: {printable(kind.reason, _MAX_LINE)}"


def _submission(event: Event) -> Iterator[str]:
    match event:
        case events.JobsUnserved():
            more = "1 more" if event.allocations == 1 else f"{event.allocations} more"
            jobs = f"{jobs_text(event.jobs)} {'is' if event.jobs == 1 else 'are'}"
            yield f"{jobs} ready, and no allocation will take them: submitting {more}"
        case events.AllocationsUnneeded():
            yield f"No job needs {_allocations(event.scheduler_ids).lower()} any more: canceling"
        case events.JobsStranded():
            jobs = f"{jobs_text(event.jobs)} {'was' if event.jobs == 1 else 'were'}"
            yield f"{jobs} claimed by a worker that does not start them"
            yield f"  Ending {_allocations(event.scheduler_ids).lower()}, then submitting again."
        case events.SubmissionStarted():
            yield f"Regenerating {event.scheduler.capitalize()} schedulers and submitting..."
        case events.SigtermLeadSet():
            seconds = event.seconds
            yield f"Set sigterm_lead_seconds to {seconds}: the runner reports before Slurm kills it"
        case events.SigtermLeadRefused():
            yield f"Continuing without sigterm_lead_seconds: {printable(event.reason)}"
        case events.ActionsClaimed():
            noun = "action" if event.actions == 1 else "actions"
            yield f"Claimed {event.actions} schedule_nodes {noun}: no worker submits the same again"
        case events.SubmissionCutShort(planned=0):
            yield f"Submitted no more allocations: {event.reason}"
        case events.SubmissionCutShort():
            yield f"Submitted {event.submitted} of {event.planned} allocations: {event.reason}"
        case _:
            yield from _trouble(event)


def _released(orphans: Orphans) -> Iterator[str]:
    """Nothing if dead workers left no jobs, but only rows with the status 'open'.

    The plan says why others were interrupted.
    """
    if jobs := len(orphans.running) + len(orphans.claimed):
        yield f"Releasing {jobs_text(jobs)} of dead workers..."
        fates = [each for each in orphans.running if not each.finding.cause.is_interruption]
        yield from capped(fates, _fate)


def _fate(orphan: OrphanedJob) -> str:
    job = orphan.job
    return f"  Job {job.id} ({printable(job.name)}): {printable(orphan.finding.reason)}"


def _trouble(event: Event) -> Iterator[str]:
    match event:
        case events.RecoveryAbandoned():
            yield f"Recovery round abandoned: {event.reason} Polling again..."
        case events.PollFailed():
            yield f"Poll failed: {event.reason} Retrying in {event.retry_in:.0f}s."
        case events.ServerUnfamiliar():
            yield event.caution
        case events.PollRecovered():
            yield "Polls succeed again."
        case events.WatchCrashed():
            yield f"Internal error, please report it: {event.error.splitlines()[-1]}"
        case _:
            yield from _trouble_with_workers(event)


def _trouble_with_workers(event: Event) -> Iterator[str]:
    match event:
        case events.AllocationFailed():
            yield from _failed_allocation(event)
        case events.AllocationUnstartable():
            phrase = printable(event.status.detail, max_length=_MAX_PHRASE)
            yield f"Allocation {event.scheduler_id}: {phrase or 'will never start'}"
        case events.AllocationsWaiting():
            phrase = printable(event.detail, max_length=_MAX_PHRASE)
            yield f"{_allocations(event.scheduler_ids)}: {phrase}"
        case events.AllocationsUnclear():
            phrase = printable(event.detail, max_length=_MAX_PHRASE)
            yield f"{_allocations(event.scheduler_ids)} may have ended or not: {phrase}"
        case events.WorkersAwaited():
            yield from _awaited(event)
        case events.NodesAwaited():
            yield from _awaited_nodes(event)
        case events.OrphansFound():
            yield from _released(event.orphans)
        case events.OrphanProcessesEnded():
            yield f"Ended {_processes_text(event.processes)} that they left running"
        case _:
            return


def _allocations(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_NUMBERS_PER_LINE]))
    more = len(numbers) - _NUMBERS_PER_LINE
    rest = f" and {more} more" if more > 0 else ""
    return f"{'Allocation' if len(numbers) == 1 else 'Allocations'} {shown}{rest}"


def _awaited(event: events.WorkersAwaited) -> Iterator[str]:
    hosts = printable(", ".join(event.hostnames))
    yield f"Workers on {hosts} are idle but have not deregistered."
    yield f"  Recovery starts when they have left, or in {event.seconds / 60:.0f} minutes."


def _awaited_nodes(event: events.NodesAwaited) -> Iterator[str]:
    nodes = printable(", ".join(event.nodes))
    noun = "Node" if len(event.nodes) == 1 else "Nodes"
    yield f"{noun} {nodes} failed and may still run jobs."
    yield f"  Waiting until Slurm hears from them again, for {event.seconds / 60:.0f} minutes."


def _failed_allocation(event: events.AllocationFailed) -> Iterator[str]:
    cause = (event.status.cause or EndCause.FAILED).replace("_", " ")
    detail, *lines = event.status.detail.splitlines() or [""]
    phrase = printable(f"{cause}, {detail}".rstrip(", "), max_length=_MAX_PHRASE)
    yield f"Allocation {event.scheduler_id} ended: {phrase}"
    for line in lines:
        yield f"  {printable(line)}"


def _failure(counts: JobCounts, *, with_zeros: bool) -> Iterator[str]:
    yield "Workflow completed with failures:"
    for status in (JobStatus.FAILED, JobStatus.CANCELED, JobStatus.TERMINATED):
        number = counts.of(status)
        if number or with_zeros or status is JobStatus.FAILED:
            yield f"  - {status.capitalize()}: {number}"
    if number := counts.of(JobStatus.PENDING_FAILED):
        yield f"  - Pending Failed: {number} (awaiting classification)"
    yield f"  - Completed: {counts.of(JobStatus.COMPLETED)}"


def _end(event: WatchEnded) -> Iterator[str]:
    if event.verdict in (Verdict.SUCCEEDED, Verdict.RESUBMITTED):
        return
    yield ""
    manual = event.verdict not in (Verdict.FAILED, Verdict.UNREACHABLE, Verdict.PLAN_CHANGED)
    reason = f"{event.reason}." if manual and event.reason[-1:].isalnum() else event.reason
    if sentence := f"{reason} {_MANUAL if manual else ''}".strip():
        yield sentence
    yield from _AFTERWARDS.get(event.verdict, ())
    if event.evidence:
        yield ""
        yield "Failed jobs:"
        for jobs in alike(event.evidence, lambda job: job.reason):
            yield from _failed_jobs(jobs)


def _failed_jobs(jobs: Sequence[FailedJob]) -> Iterator[str]:
    """That failed for the same reason: with the error output of the first that has any."""
    names = named([(job.job_id, job.job_name) for job in jobs])
    yield f"  {names}: {printable(jobs[0].reason, _MAX_REASON)}"
    if written := next((job for job in jobs if job.errors), None):
        yield from error_output_lines(written)


def error_output_lines(job: FailedJob) -> Iterator[str]:
    """The file with a job's error output, which must be there, and the last line in it."""
    line = f": {printable(job.last_words, _MAX_LINE)}" if job.last_words else " (empty)"
    yield f"    {printable(job.errors or '', _MAX_PHRASE)}{line}"


def plan_lines(plan: Plan, *, with_reasons: bool = False, fixes: str = "Fixes") -> Iterator[str]:
    """The changes of a plan, job by job, and the number of each kind, after the word ``fixes``."""
    fix = _reasoned_fix if with_reasons else _fix
    raised = [retry for retry in plan.retries if retry.memory or retry.runtime]
    yield from _alike_lines(raised, fix, apart=_FIXES_APART)
    memory, runtime = plan.count(Cause.OOM), plan.count(Cause.TIMEOUT)
    if memory or runtime:
        yield f"  {fixes}: {memory} OOM, {runtime} timeout"
    unchanged = [retry for retry in plan.retries if not (retry.memory or retry.runtime)]
    yield from _alike_lines(unchanged, _unchanged)
    if plan.uninitialized:
        yield f"  Starting {jobs_text(plan.uninitialized)} left uninitialized"
    yield from _sizing_lines(plan)
    yield from _repeated_lines(plan)
    yield from left_alone_lines(plan.left_alone)
    if not plan.uses_retry and not plan.in_place:
        yield "  This round is free: it uses up none of --max-retries"
    if excluded := sorted({name for spec in plan.allocations for name in spec.excluded_nodes}):
        yield f"  Keeping away from nodes that failed jobs: {printable(', '.join(excluded))}"
    if plan.unpaid:
        left_out = "1 allocation" if plan.unpaid == 1 else f"{plan.unpaid} allocations"
        yield f"  Leaving out {left_out}, for which the node hours are too few (--max-node-hours)"


def _sizing_lines(plan: Plan) -> Iterator[str]:
    """Why jobs request that much: a sentence for all that are sized alike."""
    for sentence in plan.sizing[:_LINES_PER_LIST]:
        yield f"  {printable(sentence, _MAX_REASON)}"
    if (more := len(plan.sizing) - _LINES_PER_LIST) > 0:
        yield f"  ... and so for {more:,} more kinds of jobs"


def _repeated_lines(plan: Plan) -> Iterator[str]:
    if plan.repeated is not None:
        yield from _alike_lines(plan.repeated, lambda _: _REPEATED)
    elif plan.starts_run:
        yield "  Torc restarts all jobs that depend on these, completed ones included"


def left_alone_lines(left_alone: Iterable[Skip]) -> Iterator[str]:
    """One line for all jobs that stay for the same reason, in the order of the first of each."""
    yield from _alike_lines(left_alone, _left)


def _alike_lines(
    entries: Iterable[Planned], says: Callable[[Planned], str], *, apart: int = 1
) -> Iterator[str]:
    groups = alike(entries, says, apart=apart)
    for group in groups[:_LINES_PER_LIST]:
        names = named([(entry.job_id, entry.job_name) for entry in group])
        yield f"  {names}: {says(group[0])}"
    yield from _more(sum(map(len, groups[_LINES_PER_LIST:])))


def _fix(retry: Retry) -> str:
    if retry.memory:
        before, after = map(units.format_memory, retry.memory)
        what = "OOM detected" if retry.cause is Cause.OOM else cause_text(retry.cause)
        return f"{what}, increasing memory {before} -> {after}"
    assert retry.runtime is not None  # noqa: S101 - a fix has one of the two
    before, after = map(units.format_duration, retry.runtime)
    what = "Timeout detected" if retry.cause is Cause.TIMEOUT else cause_text(retry.cause)
    cpus = f", CPUs {retry.cpus[0]} -> {retry.cpus[1]}" if retry.cpus else ""
    return f"{what}, increasing runtime {before} -> {after}{cpus}"


def suspect_lines(suspects: Sequence[SuspectJob]) -> Iterator[str]:
    noun = "Suspect success" if len(suspects) == 1 else "Suspect successes"
    yield f"{noun}: {jobs_text(len(suspects))} completed, but something speaks against it:"
    yield from capped(suspects, _suspect)


def _suspect(suspect: SuspectJob) -> str:
    reason = printable(suspect.reason, max_length=_MAX_PHRASE)
    return f"  Job {suspect.job_id} ({printable(suspect.job_name)}): {reason}"


def _reasoned_fix(retry: Retry) -> str:
    return f"{_fix(retry)} ({printable(retry.reason)})"


def _unchanged(retry: Retry) -> str:
    # The reason says what interrupted it.
    what = "interrupted" if retry.cause.is_interruption else cause_text(retry.cause)
    reason = printable(retry.reason, _MAX_REASON)
    return f"{what} ({reason}), retrying without changes"


def _left(left: Skip) -> str:
    anyway = "; Torc restarts it anyway" if left.restarts_anyway else ""
    what = "held" if left.is_held else "not retried"
    return f"{what}: {printable(left.reason, _MAX_REASON)}{anyway}"


def capped(entries: Sequence[T], line: Callable[[T], str]) -> Iterator[str]:
    yield from map(line, entries[:_LINES_PER_LIST])
    yield from _more(len(entries) - _LINES_PER_LIST)


def _more(jobs: int) -> Iterator[str]:
    if jobs > 0:
        yield f"  ... and {jobs_text(jobs)} more; the log lists all of them"


def _counts(counts: JobCounts) -> str:
    """Ready jobs count as pending: they only wait for a worker."""
    parts = [
        ("completed", counts.of(JobStatus.COMPLETED)),
        ("running", counts.of(JobStatus.RUNNING)),
        ("pending", counts.of(JobStatus.PENDING, JobStatus.READY)),
        ("failed", counts.of(JobStatus.FAILED, JobStatus.PENDING_FAILED)),
        ("blocked", counts.of(JobStatus.BLOCKED)),
    ]
    parts += [
        (status.value, counts.of(status))
        for status in (JobStatus.CANCELED, JobStatus.TERMINATED, JobStatus.UNINITIALIZED)
        if counts.of(status)
    ]
    return ", ".join(f"{label}={number}" for label, number in parts)


def _processes_text(number: int) -> str:
    return f"{number} process" if number == 1 else f"{number} processes"


def jobs_text(number: int) -> str:
    return f"{number} job" if number == 1 else f"{number} jobs"


def allocation_texts(specs: Iterable[AllocationSpec]) -> Iterator[str]:
    """A phrase for those that are alike."""
    for text, number in Counter(map(_allocation_shape, specs)).items():
        yield f"an allocation {text}" if number == 1 else f"{number} allocations {text}"


def _allocation_shape(spec: AllocationSpec) -> str:
    cpus = f"{spec.num_cpus} CPU" if spec.num_cpus == 1 else f"{spec.num_cpus} CPUs"
    nodes = f"{spec.num_nodes} nodes of " if spec.num_nodes > 1 else ""
    time = f" for {units.duration_text(spec.runtime)}" if spec.runtime else ""
    options = f" ({printable(' '.join(spec.options))})" if spec.options else ""
    return f"with {nodes}{cpus} and {units.rounded_memory(spec.memory)}{time}{options}"
