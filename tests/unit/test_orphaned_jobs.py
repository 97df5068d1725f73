"""Why jobs ended that their dead workers left running, and what is recorded of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause, StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.diagnosis import diagnose
from torc_watch.core.evidence import Evidence
from torc_watch.core.model import Allocation, ComputeNode, Job, JobStatus, KillCodes, Requirements
from torc_watch.core.orphaned_job import OrphanedJob, OrphanEvidence, explain_orphan
from torc_watch.core.units import MIB
from torc_watch.core.worker_end import WorkerEnd

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
RUNTIME = 600


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else MIDNIGHT + timedelta(seconds=seconds)


def worker(
    cause: EndCause | None,
    *,
    ended: float | None = 240,
    began: float | None = 0,
    started: float | None = 1,
    limit: float | None = None,
    canceled_by: str | None = None,
) -> WorkerEnd:
    return WorkerEnd(
        node=ComputeNode(
            id=4,
            hostname="n1",
            pid=1,
            allocation_id=6,
            has_ended=False,
            started=at(started),
            limit=at(limit),
        ),
        allocation=Allocation(
            id=6, scheduler_id=123, scheduler_config_id=2, scheduler_type="slurm", status="active"
        ),
        status=AllocationStatus(
            state=AllocationState.GONE,
            cause=cause,
            canceled_by=canceled_by,
            began=at(began),
            ended=at(ended),
        ),
    )


def small(name: str = "small", runtime: int | None = RUNTIME) -> Requirements:
    return Requirements(
        id=1, name=name, num_cpus=1, num_gpus=0, num_nodes=1, memory=64 * MIB, runtime=runtime
    )


def explained(
    end: WorkerEnd | None,
    *,
    started: float | None = 120,
    step: StepEnd | None = None,
    suspects: int = 1,
    requirements: Requirements | None = None,
) -> OrphanedJob:
    job = Job(
        id=7,
        name="train",
        command="true",
        status=JobStatus.RUNNING,
        requirements_id=1,
        attempt=1,
        started=at(started),
    )
    return explain_orphan(
        OrphanEvidence(
            job=job,
            requirements=requirements or small(),
            run_id=3,
            node_id=4,
            worker=end,
            step=step,
            suspects=suspects,
        )
    )


def step(cause: EndCause | None, code: int, *, ended: float | None = 240) -> StepEnd:
    return StepEnd(cause=cause, return_code=code, began=at(130), ended=at(ended))


TIME, MEMORY, FAILED = EndCause.TIME_LIMIT, EndCause.OUT_OF_MEMORY, EndCause.FAILED
CANCELED, PREEMPTED = EndCause.CANCELED, EndCause.PREEMPTED
CASES = [
    pytest.param(
        explained(worker(TIME)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 ran out of time after 4 min; the job had run 2 min of its 10 min",
        id="began late",
    ),
    pytest.param(
        explained(worker(TIME, ended=660)),
        (Cause.TIMEOUT, 152, 540),
        "allocation 123 ran out of time after 11 min; the job had run 9 min of its 10 min",
        id="nearly its full run time",
    ),
    pytest.param(
        explained(worker(TIME, ended=659)),
        (Cause.INTERRUPTED, -128, 0),
        "run 8 min 59 s of its 10 min",
        id="just not",
    ),
    pytest.param(
        explained(worker(TIME, ended=7320)),
        (Cause.TIMEOUT, 152, 7200),
        "the job had run 2 h of its 10 min",
        id="longer than its run time, which nothing limited",
    ),
    pytest.param(
        explained(worker(TIME), started=None),
        (Cause.INTERRUPTED, -128, 0),
        "the job had run at most 3 min 59 s of its 10 min",
        id="only the worker's start is known, which is late enough",
    ),
    pytest.param(
        explained(worker(TIME, ended=7320), started=None),
        (Cause.TIMEOUT, 152, 600),
        "the job had run at most 2 h 1 min of its 10 min",
        id="only the worker's start is known, and the limit is all that is sure",
    ),
    pytest.param(
        explained(worker(TIME, ended=None, limit=660)),
        (Cause.TIMEOUT, 152, 540),
        "allocation 123 ran out of time; the job had run 9 min",
        id="accounting has no end, the worker knew its limit",
    ),
    pytest.param(
        explained(worker(TIME, ended=None)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 ran out of time",
        id="no end at all",
    ),
    pytest.param(
        explained(worker(TIME, ended=660), requirements=small("default", 60)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 ran out of time after 11 min",
        id="the server's own requirements are no limit",
    ),
    pytest.param(
        explained(worker(MEMORY, ended=660)),
        (Cause.OOM, 137, 0),
        "allocation 123 ran out of memory",
        id="alone in an allocation without memory, at the end of its run time too",
    ),
    pytest.param(
        explained(worker(MEMORY), suspects=3),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 ran out of memory, and any of its 3 jobs may be the cause",
        id="one of three",
    ),
    pytest.param(
        explained(worker(MEMORY), suspects=0),
        (Cause.INTERRUPTED, -128, 0),
        "which another job used up",
        id="another job was killed for it",
    ),
    pytest.param(
        explained(worker(MEMORY), step=step(CANCELED, 143)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 ran out of memory",
        id="its own step did not run out of memory",
    ),
    pytest.param(
        explained(worker(MEMORY), requirements=small("default", 60)),
        (Cause.UNKNOWN, 137, 0),
        "allocation 123 ran out of memory",
        id="memory, with no request to raise",
    ),
    pytest.param(
        explained(worker(CANCELED), step=step(MEMORY, 137)),
        (Cause.OOM, 137, 0),
        "its step in allocation 123 ran out of memory",
        id="the step's memory outranks the allocation's end",
    ),
    pytest.param(
        explained(worker(None), step=step(TIME, 152, ended=700)),
        (Cause.TIMEOUT, 152, 570),
        "its step in allocation 123 ran out of time; the job had run 9 min 30 s of its 10 min",
        id="the step's time",
    ),
    pytest.param(
        explained(worker(None), step=step(TIME, 152)),
        (Cause.INTERRUPTED, -128, 0),
        "its step in allocation 123 ran out of time; the job had run 1 min 50 s",
        id="the step's time, which the allocation's end limited",
    ),
    pytest.param(
        explained(worker(CANCELED, ended=1000), step=step(FAILED, 7)),
        (Cause.UNKNOWN, 7, 110),
        "exit code 7",
        id="failed by itself long before the end",
    ),
    pytest.param(
        explained(worker(CANCELED), step=step(FAILED, 7)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 was canceled",
        id="a trap's own code at the end",
    ),
    pytest.param(
        explained(worker(CANCELED), step=step(None, 0)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 was canceled",
        id="a trap that exits with 0 at the end",
    ),
    pytest.param(
        explained(worker(CANCELED, canceled_by="root", ended=7320)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 was canceled by root",
        id="canceled by root",
    ),
    pytest.param(
        explained(worker(PREEMPTED, ended=7320)),
        (Cause.PREEMPTED, -128, 0),
        "allocation 123 was preempted",
        id="preempted",
    ),
    pytest.param(
        explained(worker(EndCause.NODE_FAILURE, ended=7320)),
        (Cause.NODE, -128, 0),
        "allocation 123 lost a node that failed",
        id="node failure",
    ),
    pytest.param(
        explained(worker(FAILED)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 failed",
        id="the worker failed",
    ),
    pytest.param(
        explained(worker(None)), (Cause.INTERRUPTED, -128, 0), "its worker is gone", id="in order"
    ),
    pytest.param(
        explained(None), (Cause.INTERRUPTED, -128, 0), "its worker is gone", id="deregistered"
    ),
    pytest.param(
        explained(worker(TIME, began=900, ended=7320)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 was requeued",
        id="of an earlier life",
    ),
    pytest.param(
        explained(worker(MEMORY, began=900, ended=7320)),
        (Cause.INTERRUPTED, -128, 0),
        "allocation 123 was requeued",
        id="of an earlier life, of which the memory of the later one says nothing",
    ),
    pytest.param(
        explained(worker(TIME, began=30, ended=660)),
        (Cause.TIMEOUT, 152, 540),
        "ran out of time",
        id="clocks that differ a bit are no requeue",
    ),
]


@pytest.mark.parametrize(("orphan", "recorded", "reason"), CASES)
def test_cause_of_an_orphaned_job(
    orphan: OrphanedJob, recorded: tuple[Cause, int, float], reason: str
) -> None:
    finding, result = orphan.finding, orphan.result
    assert (finding.cause, result.return_code, result.exec_seconds) == recorded
    assert reason in finding.reason
    assert (result.status, finding.job.status) == (JobStatus.FAILED, JobStatus.FAILED)
    assert (result.run_id, result.compute_node_id, finding.job.id) == (3, 4, 7)


seconds = st.sampled_from([None, 0, 100, 240, 600, 3000])
causes = st.sampled_from([None, *EndCause])
workers = st.builds(worker, causes, ended=seconds, began=seconds, started=seconds, limit=seconds)
codes_of_steps = st.sampled_from([7, 137, 143, 152])
steps = st.builds(step, causes, codes_of_steps, ended=seconds)
requests = st.builds(
    small,
    st.sampled_from(["small", "default"]),
    st.sampled_from([None, 200, 600]),
)


@settings(max_examples=200)
@given(
    end=workers,
    started=seconds,
    step=st.none() | steps,
    suspects=st.integers(min_value=0, max_value=3),
    requirements=requests,
    codes=st.builds(KillCodes),
)
@example(  # told to end by itself, long before the end
    end=worker(TIME, ended=600),
    started=0,
    step=step(FAILED, 143, ended=100),
    suspects=1,
    requirements=small(),
    codes=KillCodes(),
)
def test_recorded_result_has_the_same_cause(
    end: WorkerEnd,
    started: float | None,
    step: StepEnd | None,
    suspects: int,
    requirements: Requirements,
    codes: KillCodes,
) -> None:
    """After a crash only the server's row is left, and perhaps what the scheduler says."""
    orphan = explained(
        end, started=started, step=step, suspects=suspects, requirements=requirements
    )
    for known in (None, end):
        again = diagnose(
            Evidence(
                job=orphan.job,
                result=orphan.result,
                requirements=requirements,
                kill_codes=codes,
                worker=known,
            )
        )
        cause = orphan.finding.cause
        is_lost = known is None and cause.is_interruption  # which one is the scheduler's word
        assert again.cause is (Cause.INTERRUPTED if is_lost else cause)
