"""The transcript on the terminal."""

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.assessment import Orphans
from torc_watch.core.cause import Cause
from torc_watch.core.events import Event, FailedJob, Verdict, WatchEnded
from torc_watch.core.fact import Confidence
from torc_watch.core.failure_kind import FailureKind
from torc_watch.core.model import Allocation, ComputeNode, Job, JobCounts, JobStatus, Requirements
from torc_watch.core.orphaned_job import OrphanEvidence, explain_orphan
from torc_watch.core.recovery_round import Plan, Raise, RecoverySettings, Repeat, Retry, Skip
from torc_watch.core.units import GIB, MIB
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.engine.watcher import ServerThrottle
from torc_watch.render.transcript import Transcript, left_alone_lines

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite

TUTORIAL = """\
Watching workflow 1 (poll interval: 60s, auto-recover enabled, max retries: 3, job counts enabled)
  completed=0, running=10, pending=90, failed=0, blocked=0
  completed=10, running=10, pending=80, failed=0, blocked=0
  completed=19, running=10, pending=70, failed=1, blocked=0
  completed=28, running=10, pending=60, failed=2, blocked=0
  completed=46, running=10, pending=40, failed=4, blocked=0
  completed=55, running=10, pending=30, failed=5, blocked=0
  completed=65, running=10, pending=20, failed=5, blocked=0
  completed=75, running=10, pending=10, failed=5, blocked=0
  completed=95, running=0, pending=0, failed=5, blocked=0
Workflow 1 is complete

Workflow completed with failures:
  - Failed: 5
  - Canceled: 0
  - Terminated: 0
  - Completed: 95

Attempting automatic recovery (attempt 1/3)

Diagnosing failures...
  5 jobs: out of memory (guess): killed (137)
Applying recovery heuristics...
  Job 17 (train_model_7): OOM detected, increasing memory 64m -> 96m
  Job 22 (train_model_12): OOM detected, increasing memory 64m -> 96m
  Job 33 (train_model_23): OOM detected, increasing memory 64m -> 96m
  Job 41 (train_model_31): OOM detected, increasing memory 64m -> 96m
  Job 55 (train_model_45): OOM detected, increasing memory 64m -> 96m
  Applied fixes: 5 OOM, 0 timeout

Resetting failed jobs...
Regenerating Local schedulers and submitting...

Recovery initiated. Resuming monitoring...

Watching workflow 1 (poll interval: 60s, auto-recover enabled, max retries: 3, job counts enabled)
  completed=95, running=5, pending=0, failed=0, blocked=0
  completed=100, running=0, pending=0, failed=0, blocked=0
Workflow 1 is complete

✓ Workflow completed successfully (100 jobs)
"""


@pytest.mark.looptime
async def test_transcript_of_the_tutorial(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServerThrottle, "next_poll_delay", lambda _, interval, **__: interval)
    names = [f"prepare_data_{number}" for number in range(1, 11)]
    names += [f"train_model_{number}" for number in range(1, 91)]
    async with open_site() as site:
        hungry = [f"train_model_{number}" for number in (7, 12, 23, 31, 45)]
        site.scheduler.endings = {
            name: [(137, 64 * MIB, 47.0) if name in hungry else (0, None, 47.0)] for name in names
        }
        site.line.fault = slow_to_submit
        workflow_id = await site.submit(names)
        await site.watch(workflow_id, show_job_counts=True)
        assert text(*site.events) == TUTORIAL


async def slow_to_submit(request: httpx.Request, forward: "Forward") -> httpx.Response:
    """Delays submissions, so that the new worker has started at the next poll."""
    answer = await forward(request)
    if request.method == "POST" and request.url.path.endswith("/scheduled_compute_nodes"):
        await anyio.sleep(2)
    return answer


def text(*events: Event) -> str:
    transcript = Transcript()
    return "".join(f"{line}\n" for event in events for line in transcript.lines(event))


def counted(**numbers: int) -> Event:
    counts = JobCounts({JobStatus(status): number for status, number in numbers.items()})
    return events.JobsCounted(workflow_id=1, counts=counts)


def test_counts_are_shown_when_they_change_and_at_the_start_of_each_watch() -> None:
    started = events.WatchStarted(
        workflow_id=1, poll_interval=1, auto_recover=False, max_retries=None, show_job_counts=True
    )
    one, two = counted(running=1), counted(running=2)
    shown = text(started, one, one, two, two, one, started, one, one).splitlines()
    assert [line.partition("running=")[2][:1] for line in shown if "=" in line] == [*"1211"]


def test_terminal_shows_the_time_beside_counts() -> None:
    transcript = Transcript(clock=lambda: "12:34:56")
    assert list(transcript.lines(counted(running=1))) == [
        "  completed=0, running=1, pending=0, failed=0, blocked=0  (12:34:56)"
    ]


WITHOUT_RECOVERY = """\
Watching workflow 1 (poll interval: 60s)
Workflow 1 is complete

Workflow completed with failures:
  - Failed: 1
  - Completed: 1

Auto-recovery disabled. To enable, use --auto-recover flag.
Or use the Torc MCP server with your AI assistant for manual recovery.

Failed jobs:
  Job 1 (a): exit code 1
"""

EXHAUSTED = """\

Max retries (1) exceeded. Manual intervention required.
Use the Torc MCP server with your AI assistant to investigate.

Failed jobs:
  Job 1 (a): exit code 1
"""


@pytest.mark.looptime
async def test_transcript_without_recovery(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)]}
        workflow_id = await site.submit(["a", "b"])
        await site.watch(workflow_id, recovery=None)
        assert text(*site.events) == WITHOUT_RECOVERY


@pytest.mark.looptime
async def test_transcript_of_an_exhausted_watch(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)] * 9}
        workflow_id = await site.submit(["a"])
        await site.watch(workflow_id, recovery=RecoverySettings(max_retries=1))
        assert text(*site.events).endswith(EXHAUSTED)


def retry(number: int = 1, name: str = "a") -> Retry:
    return Retry(
        job_id=number,
        job_name=name,
        cause=Cause.OOM,
        reason="killed (137)",
        memory=(64 * MIB, 96 * MIB),
    )


def planned(
    *retries: Retry,
    uninitialized: int = 0,
    repeated: tuple[Repeat, ...] | None = (),
    left_alone: tuple[Skip, ...] = (),
) -> events.RecoveryPlanned:
    plan = Plan(
        workflow_id=1,
        run_id=1,
        number=1,
        retries=retries,
        uninitialized=uninitialized,
        repeated=repeated,
        left_alone=left_alone,
        adjustments=(),
        scheduler_config_id=None,
        allocations=(),
    )
    return events.RecoveryPlanned(workflow_id=1, plan=plan)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name", "plain name"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("bell\a back\b", r"bell\x07 back\x08"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}live", r"\u202elive"),
        ("lone \ud800", r"lone \ud800"),
        ('$(rm -rf /) `x` "q"', '$(rm -rf /) `x` "q"'),
        ("Größe ✓", "Größe ✓"),
        ("x" * 200, "x" * 99 + "…"),
    ],
)
def test_names_are_escaped(name: str, shown: str) -> None:
    lines = text(planned(retry(name=name))).split("\n")
    assert lines[1] == f"  Job 1 ({shown}): OOM detected, increasing memory 64m -> 96m"
    assert lines[1].isprintable()
    assert len(lines) == 4


def test_hook_cannot_clear_the_screen() -> None:
    assert text(events.HookPrinted(workflow_id=1, line="\x1b[2J")) == "  [hook] \\x1b[2J\n"


@pytest.mark.parametrize(("jobs", "more"), [(50, None), (51, "1 job"), (1000, "950 jobs")])
def test_long_lists_are_capped(jobs: int, more: str | None) -> None:
    more_each = (replace(retry(job), memory=(MIB, (job + 2) * MIB)) for job in range(jobs))
    lines = text(planned(*more_each)).splitlines()
    assert sum(line.startswith("  Job ") for line in lines) == 50
    assert (f"  ... and {more} more; the log lists all of them" in lines) is bool(more)
    assert f"  Applied fixes: {jobs} OOM, 0 timeout" in lines


@pytest.mark.parametrize(
    ("jobs", "lines"),
    [
        pytest.param(5, [f"  Job {job} (a): OOM" for job in range(5)], id="a few"),
        pytest.param(20, ["  Jobs 0 (a), 1 (a), 2 (a), 3 (a), 4 (a) and 15 more: OOM"], id="many"),
    ],
)
def test_many_equal_fixes_share_a_line(jobs: int, lines: list[str]) -> None:
    _, *shown, _ = text(planned(*map(retry, range(jobs)))).splitlines()
    assert shown == [f"{line} detected, increasing memory 64m -> 96m" for line in lines]


def test_fixes_on_lines_of_their_own_stay_in_order() -> None:
    more = replace(retry(2), memory=(64 * MIB, 128 * MIB))
    _, *shown, _ = text(planned(retry(1), more, retry(3))).splitlines()
    assert [line[:7] for line in shown] == ["  Job 1", "  Job 2", "  Job 3"]


def test_plan_that_retries_jobs_while_others_run() -> None:
    plan = replace(planned(retry(1), retry(2)).plan, in_place=True, uses_retry=False)
    assert text(events.RecoveryPlanned(workflow_id=1, plan=plan)).splitlines() == [
        "Retrying 2 jobs while others run:",
        "  Job 1 (a): OOM detected, increasing memory 64m -> 96m",
        "  Job 2 (a): OOM detected, increasing memory 64m -> 96m",
        "  Applied fixes: 2 OOM, 0 timeout",
    ]
    raising = replace(plan, retries=(), raises=(raised(3), raised(4)))
    title = "Raising the requests of 2 jobs before they start:"
    assert text(events.RecoveryPlanned(workflow_id=1, plan=raising)).splitlines()[0] == title


def raised(number: int) -> Raise:
    memory = (64 * MIB, 96 * MIB)
    return Raise(job_id=number, job_name="b", memory=memory, runtime=None, sizing="Enough.")


def test_reason_why_failed_jobs_wait_is_told() -> None:
    event = events.InPlaceOff(workflow_id=1, reason="plans wait for approval")
    assert text(event) == "Failed jobs wait until no others run: plans wait for approval\n"


def test_jobs_that_run_again_for_the_same_reason_share_a_line() -> None:
    alike = [
        Retry(job_id=job, job_name="c", cause=Cause.UNKNOWN, reason="exit code 1")
        for job in range(1, 21)
    ]
    _, line = text(planned(*alike)).splitlines()
    assert line == (
        "  Jobs 1 (c), 2 (c), 3 (c), 4 (c), 5 (c) and 15 more: "
        "unknown failure (exit code 1), retrying without changes"
    )


def test_failed_jobs_at_the_end_are_told_once_for_each_reason() -> None:
    failed = [
        FailedJob(job_id=job, job_name="c", reason=reason, errors=errors, last_words="x")
        for job, reason, errors in ((1, "exit code 1", None), (2, "killed", None))
    ]
    failed += [replace(failed[0], job_id=job, errors=f"/{job}.e") for job in (3, 4)]
    ended = events.WatchEnded(
        workflow_id=1, verdict=Verdict.HANDED_OVER, reason="", evidence=tuple(failed)
    )
    assert text(ended).splitlines()[-3:] == [
        "  Jobs 1 (c), 3 (c), 4 (c): exit code 1",
        "    /3.e: x",
        "  Job 2 (c): killed",
    ]


def test_fixes_are_counted_where_there_are_any() -> None:
    assert "Applied fixes" not in text(planned(uninitialized=1))


def test_all_parts_of_a_plan_are_shown() -> None:
    assert text(
        planned(
            retry(),
            Retry(job_id=2, job_name="b", cause=Cause.TIMEOUT, reason="", runtime=(3600, 5400)),
            Retry(job_id=3, job_name="c", cause=Cause.UNKNOWN, reason="exit code 1"),
            Retry(job_id=4, job_name="d", cause=Cause.PREEMPTED, reason="its worker died"),
            uninitialized=2,
            repeated=(Repeat(job_id=6, job_name="f"),),
            left_alone=(
                Skip(
                    job_id=5,
                    job_name="e",
                    cause=Cause.OOM,
                    reason="needs more than 1g",
                    restarts_anyway=True,
                ),
            ),
        )
    ).splitlines() == [
        "Applying recovery heuristics...",
        "  Job 1 (a): OOM detected, increasing memory 64m -> 96m",
        "  Job 2 (b): Timeout detected, increasing runtime PT1H -> PT1H30M",
        "  Applied fixes: 1 OOM, 1 timeout",
        "  Job 3 (c): unknown failure (exit code 1), retrying without changes",
        "  Job 4 (d): interrupted (its worker died), retrying without changes",
        "  Starting 2 jobs left uninitialized",
        "  Job 6 (f): depends on a job that runs again; Torc restarts it, too",
        "  Job 5 (e): not retried: needs more than 1g; Torc restarts it anyway",
    ]


def skip(job_id: int, reason: str) -> Skip:
    return Skip(job_id=job_id, job_name="e", cause=Cause.CODE, reason=reason, restarts_anyway=False)


def test_jobs_that_stay_for_the_same_reason_share_a_line() -> None:
    left = [skip(1, "in vain"), *(skip(number, "job 1 goes first") for number in range(2, 10))]
    assert list(left_alone_lines(left)) == [
        "  Job 1 (e): not retried: in vain",
        "  Jobs 2 (e), 3 (e), 4 (e), 5 (e), 6 (e) and 3 more: not retried: job 1 goes first",
    ]


def test_jobs_of_reasons_that_are_not_shown_are_counted() -> None:
    left = [skip(number, f"reason {min(number, 50)}") for number in range(60)]
    lines = list(left_alone_lines(left))
    assert len(lines) == 51
    assert lines[-1] == "  ... and 10 jobs more; the log lists all of them"


@pytest.mark.parametrize(("retries", "lines"), [((retry(),), 1), ((), 0)])
def test_unknown_dependents_are_mentioned(retries: tuple[Retry, ...], lines: int) -> None:
    events = text(planned(*retries, repeated=None))
    assert events.count("Torc restarts all jobs that depend on these") == lines


@pytest.mark.parametrize(
    ("verdict", "reason", "lines"),
    [
        (Verdict.SUCCEEDED, "", []),
        (Verdict.RESUBMITTED, "", []),
        (Verdict.STUCK, "", ["", "Manual intervention required."]),
        (Verdict.HANDED_OVER, "Rejected", ["", "Rejected. Manual intervention required."]),
        (Verdict.HANDED_OVER, "It is gone.", ["", "It is gone. Manual intervention required."]),
        (Verdict.UNREACHABLE, "No answer.", ["", "No answer."]),
    ],
)
def test_outcome_of_a_watch(verdict: Verdict, reason: str, lines: list[str]) -> None:
    ended = WatchEnded(workflow_id=1, verdict=verdict, reason=reason)
    assert text(ended).splitlines() == lines


def test_orphaned_jobs_are_counted() -> None:
    job = Job(id=1, name="a", command="", status=JobStatus.RUNNING, requirements_id=None, attempt=1)
    orphan = explain_orphan(OrphanEvidence(job=job, requirements=None, run_id=1, node_id=1))
    held = events.OrphansFound(workflow_id=1, orphans=Orphans(running=(orphan,), claimed=(job,)))
    assert text(held) == "Releasing 2 jobs of dead workers...\n"
    nothing_held = events.OrphansFound(workflow_id=1, orphans=Orphans())
    assert text(nothing_held) == ""


def test_orphaned_job_that_gets_more_is_shown_with_the_reason() -> None:
    job = Job(id=1, name="a\n", command="", status=JobStatus.RUNNING, requirements_id=1, attempt=1)
    requirements = Requirements(
        id=1, name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=GIB, runtime=60
    )
    worker = WorkerEnd(
        node=ComputeNode(id=1, hostname="n1", pid=1, allocation_id=6, has_ended=False),
        allocation=Allocation(
            id=6, scheduler_id=99, scheduler_config_id=2, scheduler_type="slurm", status="active"
        ),
        status=AllocationStatus(state=AllocationState.GONE, cause=EndCause.OUT_OF_MEMORY),
    )
    orphans = [
        explain_orphan(
            OrphanEvidence(
                job=job,
                requirements=requirements,
                run_id=1,
                node_id=1,
                worker=worker,
                suspects=suspects,
            )
        )
        for suspects in (1, 2)
    ]
    found = events.OrphansFound(workflow_id=1, orphans=Orphans(running=tuple(orphans)))
    assert text(found).splitlines() == [
        "Releasing 2 jobs of dead workers...",
        "  Job 1 (a\\n): allocation 99 ran out of memory",
    ]


def test_failed_allocation_is_shown_with_its_log() -> None:
    detail = "its log /a/3/log ends with:\nwrong\x1b\nbye"
    assert text(failed_allocation(EndCause.FAILED, detail)).splitlines() == [
        "Allocation 3 ended: failed, its log /a/3/log ends with:",
        "  wrong\\x1b",
        "  bye",
    ]


@pytest.mark.parametrize(
    ("cause", "detail", "line"),
    [
        (EndCause.TIME_LIMIT, "", "Allocation 3 ended: time limit\n"),
        (EndCause.NODE_FAILURE, "n\x1b1", "Allocation 3 ended: node failure, n\\x1b1\n"),
        (EndCause.OUT_OF_MEMORY, "on n2", "Allocation 3 ended: out of memory, on n2\n"),
    ],
)
def test_allocation_ended_by_the_cluster_is_shown_with_its_cause(
    cause: EndCause, detail: str, line: str
) -> None:
    assert text(failed_allocation(cause, detail)) == line


def test_allocation_that_never_starts_is_shown_with_what_it_waits_for() -> None:
    status = AllocationStatus(state=AllocationState.ALIVE, detail="will never start (\x1b)")
    event = events.AllocationUnstartable(
        workflow_id=1, scheduler="slurm", scheduler_id=3, status=status
    )
    assert text(event) == "Allocation 3: will never start (\\x1b)\n"


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ((3,), "Allocation 3: held \\x1b"),
        (tuple(range(1, 13)), "Allocations 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more: held \\x1b"),
    ],
)
def test_allocations_that_wait_are_counted(numbers: tuple[int, ...], line: str) -> None:
    event = events.AllocationsWaiting(workflow_id=1, scheduler_ids=numbers, detail="held \x1b")
    assert text(event) == f"{line}\n"


def test_allocation_that_may_have_ended_is_shown_with_the_reason() -> None:
    event = events.AllocationsUnclear(workflow_id=1, scheduler_ids=(3, 4), detail="no\x1bword")
    assert text(event) == "Allocations 3, 4 may have ended or not: no\\x1bword\n"


@pytest.mark.parametrize(
    ("actions", "words"), [(1, "1 schedule_nodes action"), (2, "2 schedule_nodes actions")]
)
def test_claimed_actions_are_counted(actions: int, words: str) -> None:
    claimed = events.ActionsClaimed(workflow_id=1, actions=actions)
    assert text(claimed) == f"Claimed {words}: no worker submits the same again\n"


def test_lead_that_was_set_and_one_that_was_refused_are_shown() -> None:
    lead = events.SigtermLeadSet(workflow_id=1, seconds=25)
    line = "Set sigterm_lead_seconds to 25: the runner reports before Slurm kills it\n"
    assert text(lead) == line
    refused = events.SigtermLeadRefused(workflow_id=1, reason="no\x1bword")
    assert text(refused) == "Continuing without sigterm_lead_seconds: no\\x1bword\n"


def failed_allocation(cause: EndCause, detail: str) -> events.AllocationFailed:
    status = AllocationStatus(state=AllocationState.GONE, cause=cause, detail=detail)
    return events.AllocationFailed(workflow_id=1, scheduler="slurm", scheduler_id=3, status=status)


def test_idle_workers_on_other_machines_are_listed() -> None:
    awaited = events.WorkersAwaited(workflow_id=1, hostnames=("n1", "n\x1b2"), seconds=600)
    assert text(awaited).splitlines() == [
        "Workers on n1, n\\x1b2 are idle but have not deregistered.",
        "  Recovery starts when they have left, or in 10 minutes.",
    ]


def test_failed_nodes_are_listed() -> None:
    awaited = events.NodesAwaited(workflow_id=1, nodes=("n1", "n\x1b2"), seconds=600)
    assert text(awaited).splitlines() == [
        "Nodes n1, n\\x1b2 failed and may still run jobs.",
        "  Waiting until Slurm hears from them again, for 10 minutes.",
    ]


def test_remnants_of_failed_attempts() -> None:
    ended = events.RemnantsEnded(workflow_id=1, processes=2)
    assert text(ended) == "Ended 2 processes that failed attempts left running\n"
    unclear = events.RemnantsUnclear(workflow_id=1, jobs=1, reason="srun\x1b failed")
    assert text(unclear).splitlines() == [
        "1 job not retried while others run:",
        "  processes of the failed attempt may be left: srun\\x1b failed",
    ]


@pytest.mark.parametrize(("processes", "words"), [(1, "1 process"), (2, "2 processes")])
def test_killed_orphan_processes_are_counted(processes: int, words: str) -> None:
    ended = events.OrphanProcessesEnded(workflow_id=1, processes=processes)
    assert text(ended) == f"Ended {words} that they left running\n"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            events.PollFailed(workflow_id=1, reason="No answer.", retry_in=1.7),
            "Poll failed: No answer. Retrying in 2s.",
        ),
        (events.PollRecovered(workflow_id=1), "Polls succeed again."),
        (
            events.WatchCrashed(workflow_id=1, error="Traceback\n  x\nKeyError: 'a'\n"),
            "Internal error, please report it: KeyError: 'a'",
        ),
        (
            events.JobsCounted(
                workflow_id=1,
                counts=JobCounts({JobStatus.CANCELED: 2, JobStatus.PENDING_FAILED: 1}),
            ),
            "  completed=0, running=0, pending=0, failed=1, blocked=0, canceled=2",
        ),
    ],
)
def test_line_of_an_event(event: Event, line: str) -> None:
    assert text(event) == f"{line}\n"


def test_reasons_of_failures_are_told_once_each() -> None:
    kinds = (
        FailureKind(
            cause=Cause.ENVIRONMENT,
            jobs=12,
            reason="a Python module is missing: \x1b[31mModuleNotFoundError",
            confidence=Confidence.LIKELY,
        ),
        FailureKind(cause=Cause.OOM, jobs=1, reason="killed (137)", confidence=Confidence.GUESS),
    )
    event = events.FailuresDiagnosed(workflow_id=1, kinds=kinds, others=2)
    first, *rest = Transcript().lines(event)
    assert first.startswith("  12 jobs: environment (likely): a Python module is missing: ")
    assert "\x1b" not in first
    assert rest == ["  1 job: out of memory (guess): killed (137)", "  ... and 2 more reasons"]
