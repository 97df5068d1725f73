"""Results that a worker reported while its allocation ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.cause import Cause
from torc_watch.core.diagnosis import diagnose
from torc_watch.core.evidence import Evidence
from torc_watch.core.model import Allocation, ComputeNode, Job, JobResult, JobStatus, Requirements
from torc_watch.core.units import MIB
from torc_watch.core.worker_end import WorkerEnd

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
END = MIDNIGHT + timedelta(hours=1)
RUNTIME = 100
FAILED, TERMINATED, KEPT = JobStatus.FAILED, JobStatus.TERMINATED, JobStatus.PENDING_FAILED
TIME, PREEMPTED, CANCELED = EndCause.TIME_LIMIT, EndCause.PREEMPTED, EndCause.CANCELED
ALLOCATION = Allocation(
    id=6, scheduler_id=123, scheduler_config_id=2, scheduler_type="slurm", status="complete"
)


def worker(
    cause: EndCause | None,
    *,
    has_limit: bool = False,
    ended: datetime | None = END,
    began: datetime = MIDNIGHT,
) -> WorkerEnd:
    return WorkerEnd(
        node=ComputeNode(
            id=4,
            hostname="n1",
            pid=1,
            allocation_id=6,
            has_ended=True,
            started=MIDNIGHT,
            limit=END if has_limit else None,
        ),
        allocation=ALLOCATION,
        status=AllocationStatus(
            state=AllocationState.GONE, cause=cause, canceled_by="root", began=began, ended=ended
        ),
    )


AT_LIMIT = worker(None, has_limit=True, ended=END - timedelta(seconds=60))


@pytest.mark.parametrize(
    ("status", "code", "ran", "before_end", "end", "cause", "reason"),
    [
        (TERMINATED, 143, 50, 60, AT_LIMIT, Cause.INTERRUPTED, "its worker had to leave"),
        (TERMINATED, 143, 95, 60, AT_LIMIT, Cause.TIMEOUT, "run time limit"),
        (TERMINATED, 7, 50, 60, AT_LIMIT, Cause.INTERRUPTED, "its worker had to leave"),
        (TERMINATED, 7, 95, 60, AT_LIMIT, Cause.TIMEOUT, "run time limit"),
        (TERMINATED, 143, 50, 5, worker(TIME), Cause.INTERRUPTED, "allocation 123 ran out of time"),
        (TERMINATED, 143, 95, 5, worker(TIME), Cause.TIMEOUT, "run time limit"),
        (TERMINATED, 143, 95, 5, worker(PREEMPTED), Cause.PREEMPTED, "123 was preempted"),
        (TERMINATED, 7, 95, 5, worker(CANCELED), Cause.INTERRUPTED, "123 was canceled by root"),
        # The status says whether the worker stopped a job. A failure that is kept has lost it.
        (KEPT, 143, 50, 60, AT_LIMIT, Cause.INTERRUPTED, "its worker had to leave"),
        (KEPT, 7, 50, 60, AT_LIMIT, Cause.INTERRUPTED, "its worker had to leave"),
        (KEPT, 7, 95, 60, AT_LIMIT, Cause.TIMEOUT, "run time limit"),
        (KEPT, 7, 50, 121, AT_LIMIT, Cause.UNKNOWN, "exit code 7"),
        (KEPT, 143, 50, 121, AT_LIMIT, Cause.UNKNOWN, "signal 15"),
        (KEPT, 7, 50, None, AT_LIMIT, Cause.UNKNOWN, "exit code 7"),
        (KEPT, 137, 50, 60, AT_LIMIT, Cause.OOM, "killed (137)"),
        (KEPT, 7, 50, 5, worker(PREEMPTED), Cause.PREEMPTED, "123 was preempted"),
        (KEPT, 7, 50, 500, worker(PREEMPTED), Cause.UNKNOWN, "exit code 7"),
        # An allocation without work ends right after its last job: that stops none.
        (KEPT, 7, 50, 5, worker(None), Cause.UNKNOWN, "exit code 7"),
        (FAILED, 143, 50, 5, worker(None), Cause.UNKNOWN, "signal 15"),
        # Slurm tells all processes to end: the job may be faster than its worker.
        (FAILED, 143, 50, 5, worker(PREEMPTED), Cause.PREEMPTED, "123 was preempted"),
        (FAILED, 143, 50, 60, AT_LIMIT, Cause.INTERRUPTED, "its worker had to leave"),
        (FAILED, 143, 50, 500, worker(PREEMPTED), Cause.UNKNOWN, "signal 15"),
        (FAILED, 7, 50, 5, worker(PREEMPTED), Cause.UNKNOWN, "exit code 7"),
        (FAILED, 137, 50, 5, worker(PREEMPTED), Cause.OOM, "killed (137)"),
        (
            TERMINATED,
            143,
            95,
            5,
            worker(TIME, began=END),
            Cause.INTERRUPTED,
            "123 was requeued",
        ),
    ],
)
def test_cause_of_a_job_at_the_end_of_its_allocation(
    status: JobStatus,
    code: int,
    ran: float,
    before_end: float | None,
    end: WorkerEnd,
    cause: Cause,
    reason: str,
) -> None:
    completed = None if before_end is None else END - timedelta(seconds=before_end)
    found = diagnose(
        Evidence(
            job=Job(
                id=7, name="train", command="true", status=status, requirements_id=1, attempt=1
            ),
            result=JobResult(
                job_id=7,
                run_id=1,
                attempt=1,
                status=status,
                return_code=code,
                exec_seconds=ran,
                peak_memory=None,
                compute_node_id=4,
                completed=completed,
            ),
            requirements=Requirements(
                id=1,
                name="small",
                num_cpus=1,
                num_gpus=0,
                num_nodes=1,
                memory=64 * MIB,
                runtime=RUNTIME,
            ),
            worker=end,
        )
    )
    assert (found.cause, reason in found.reason) == (cause, True), found.reason


@pytest.mark.parametrize(
    ("end", "peak", "cause", "reason"),
    [
        (worker(None), 32 * MIB, Cause.UNKNOWN, "but allocation 123 never lacked memory"),
        (worker(None), None, Cause.OOM, "killed (137)"),  # Torc's own kill may have lost the peak
        (worker(EndCause.OUT_OF_MEMORY), 32 * MIB, Cause.OOM, "killed (137)"),
        (worker(EndCause.LOST), 32 * MIB, Cause.OOM, "killed (137)"),
    ],
)
def test_kill_below_the_request_in_an_allocation(
    end: WorkerEnd, peak: int | None, cause: Cause, reason: str
) -> None:
    job = Job(id=7, name="train", command="true", status=FAILED, requirements_id=1, attempt=1)
    result = JobResult(
        job_id=7,
        run_id=1,
        attempt=1,
        status=FAILED,
        return_code=137,
        exec_seconds=10.0,
        peak_memory=peak,
        compute_node_id=4,
        completed=MIDNIGHT,
    )
    asked = Requirements(
        id=1, name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=64 * MIB, runtime=RUNTIME
    )
    evidence = Evidence(job=job, result=result, requirements=asked, worker=end)
    found = diagnose(evidence)
    assert found.cause is cause
    assert reason in found.reason
    # Of a step, Slurm's own state is behind the return code, and the allocation's says nothing.
    assert diagnose(replace(evidence, is_step=True)).cause is Cause.OOM
