from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause, StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.model import (
    Allocation,
    ComputeNode,
    Job,
    JobResult,
    JobStatus,
    Requirements,
)
from torc_watch.core.output_files import Oddity, OddOutput
from torc_watch.core.recovery_round import PastRounds, RecoverySettings, Retry
from torc_watch.core.suspect_success import (
    Success,
    Suspicion,
    SuspicionKind,
    reruns,
    suspicion_of,
)
from torc_watch.core.units import GIB
from torc_watch.core.worker_end import WorkerEnd

LIMIT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
JOB = Job(
    id=7, name="train_7", command="true", status=JobStatus.COMPLETED, requirements_id=3, attempt=1
)
SMALL = Requirements(
    id=3, name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=GIB, runtime=3600
)
OOM_LINE = Clue(
    rule="oom",
    cause=Cause.OOM,
    weight=Weight.SCHEDULER,
    says="Slurm killed a process for its memory",
    line="slurmstepd: error: Detected 1 oom_kill event in StepId=370626.batch.",
    file="job.e",
)
OTHER_LINE = replace(OOM_LINE, cause=Cause.CODE)
EMPTY = OddOutput(job_id=7, oddity=Oddity.EMPTY, reason="its output x is empty")


def success(
    *,
    before_limit: float = 1800,
    cause: EndCause | None = None,
    ended_before: float = 0,
    has_worker: bool = True,
    step: EndCause | None = None,
    is_step: bool = False,
    sharing: int = 0,
    clues: tuple[Clue, ...] = (),
    odd: OddOutput | None = None,
    ran: float = 60.0,
) -> Success:
    """Seconds before the limit of its allocation: when it completed, when the allocation ended."""
    node = ComputeNode(id=1, hostname="n1", pid=1, allocation_id=5, has_ended=True, limit=LIMIT)
    worker = WorkerEnd(
        node=node,
        allocation=Allocation(
            id=5, scheduler_id=40, scheduler_config_id=1, scheduler_type="slurm", status="complete"
        ),
        status=AllocationStatus(
            state=AllocationState.GONE,
            cause=cause,
            canceled_by="ada" if cause is EndCause.CANCELED else None,
            ended=LIMIT - timedelta(seconds=ended_before),
        ),
    )
    return Success(
        job=JOB,
        result=JobResult(
            job_id=7,
            run_id=1,
            attempt=1,
            status=JobStatus.COMPLETED,
            return_code=0,
            exec_seconds=ran,
            peak_memory=None,
            compute_node_id=1,
            completed=LIMIT - timedelta(seconds=before_limit),
        ),
        requirements=SMALL,
        worker=worker if has_worker else None,
        step=StepEnd(cause=step, return_code=0) if is_step or step else None,
        sharing=sharing,
        clues=clues,
        odd_output=odd,
    )


KILLED, NEARBY, STOPPED = SuspicionKind.OOM_KILL, SuspicionKind.OOM_NEARBY, SuspicionKind.STOPPED
OUT_OF_MEMORY, TIME_LIMIT = EndCause.OUT_OF_MEMORY, EndCause.TIME_LIMIT


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(success(), None, id="long before the end"),
        pytest.param(success(has_worker=False), None, id="nothing is known of its worker"),
        pytest.param(success(has_worker=False, before_limit=60), None, id="nor of its limit"),
        pytest.param(success(step=OUT_OF_MEMORY), KILLED, id="step ran out of memory"),
        pytest.param(
            success(cause=OUT_OF_MEMORY, sharing=1), KILLED, id="alone where memory ran out"
        ),
        pytest.param(
            success(cause=OUT_OF_MEMORY, sharing=9, clues=(OOM_LINE,)), KILLED, id="says so itself"
        ),
        pytest.param(success(cause=OUT_OF_MEMORY, sharing=3), NEARBY, id="one of three"),
        pytest.param(success(cause=OUT_OF_MEMORY, sharing=6), None, id="one of too many"),
        pytest.param(
            success(cause=OUT_OF_MEMORY, sharing=6, clues=(OTHER_LINE,)), None, id="other words"
        ),
        pytest.param(
            success(cause=OUT_OF_MEMORY, sharing=6, clues=(replace(OOM_LINE, weight=Weight.ECHO),)),
            None,
            id="an echo",
        ),
        pytest.param(
            success(cause=OUT_OF_MEMORY), None, id="a failed job accounts for the lack of memory"
        ),
        pytest.param(success(clues=(OOM_LINE,)), None, id="prose: no allocation lacked memory"),
        pytest.param(success(before_limit=96), None, id="before anybody was told to end"),
        pytest.param(success(before_limit=90), STOPPED, id="when all were told"),
        pytest.param(success(before_limit=30), STOPPED, id="when the rest is killed"),
        pytest.param(success(before_limit=-90), STOPPED, id="clocks differ"),
        pytest.param(success(before_limit=-600), None, id="of another life"),
        pytest.param(success(step=TIME_LIMIT), STOPPED, id="step ran out of time, exit 0"),
        pytest.param(success(is_step=True), None, id="step that ended well"),
        pytest.param(
            success(cause=EndCause.CANCELED, ended_before=1800), STOPPED, id="was canceled"
        ),
        pytest.param(
            success(cause=EndCause.PREEMPTED, ended_before=1800), STOPPED, id="was preempted"
        ),
        pytest.param(
            success(cause=EndCause.CANCELED, ended_before=900), None, id="canceled much later"
        ),
        pytest.param(
            success(cause=EndCause.NODE_FAILURE, ended_before=1800), None, id="nobody is told then"
        ),
        pytest.param(success(odd=EMPTY), SuspicionKind.OUTPUT_EMPTY, id="empty output"),
        pytest.param(
            success(odd=EMPTY, before_limit=60), SuspicionKind.OUTPUT_EMPTY, id="output first"
        ),
        pytest.param(success(odd=EMPTY, step=OUT_OF_MEMORY), KILLED, id="memory before output"),
    ],
)
def test_kind(seen: Success, expected: SuspicionKind | None) -> None:
    found = suspicion_of(seen)
    assert (found.kind if found else None) is expected


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (
            success(before_limit=60),
            "it ended when allocation 40 ran out of time; it may have saved only a part",
        ),
        (
            success(cause=EndCause.CANCELED, ended_before=1800),
            "it ended when allocation 40 was canceled by ada; it may have saved only a part",
        ),
        (
            success(sharing=2, cause=OUT_OF_MEMORY),
            "allocation 40 ran out of memory, and any of its 2 jobs may be the cause",
        ),
        (
            success(sharing=2, cause=OUT_OF_MEMORY, clues=(OOM_LINE,)),
            f"allocation 40 ran out of memory, and {OOM_LINE.says}: {OOM_LINE.line}",
        ),
        (success(step=OUT_OF_MEMORY), "its step in allocation 40 ran out of memory"),
    ],
)
def test_reason(seen: Success, reason: str) -> None:
    found = suspicion_of(seen)
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        pytest.param(success(step=OUT_OF_MEMORY), Cause.OOM, id="gets more memory"),
        pytest.param(
            replace(success(step=OUT_OF_MEMORY), requirements=replace(SMALL, name="default")),
            Cause.INTERRUPTED,
            id="row of the server",
        ),
        pytest.param(
            replace(success(step=OUT_OF_MEMORY), requirements=replace(SMALL, runtime=None)),
            Cause.INTERRUPTED,
            id="request that cannot be read",
        ),
        pytest.param(success(before_limit=60, ran=3500), Cause.TIMEOUT, id="gets more time"),
        pytest.param(success(before_limit=60, ran=600), Cause.INTERRUPTED, id="began late"),
        pytest.param(success(odd=EMPTY, ran=3500), Cause.INTERRUPTED, id="lacks nothing known"),
    ],
)
def test_what_a_rerun_needs(seen: Success, cause: Cause) -> None:
    found = suspicion_of(seen)
    assert found is not None
    assert found.as_failure().cause is cause


def suspect(job_id: int, kind: SuspicionKind = SuspicionKind.OUTPUT_EMPTY) -> Suspicion:
    return Suspicion(job=replace(JOB, id=job_id), kind=kind, reason="its output x is empty")


def test_only_what_the_user_allows_runs_again_and_once() -> None:
    suspects = (suspect(1), suspect(2), suspect(3, NEARBY))
    retried = [
        Retry(job_id=job_id, job_name="x", cause=cause, reason="")
        for job_id, cause in ((1, Cause.SUSPECT), (2, Cause.CODE))
    ]
    past = PastRounds(retried=tuple(retried))
    allowed = RecoverySettings(rerun_suspects=True, retry_unknown=False)
    assert [each.job.id for each in reruns(suspects, past, allowed)] == [2]
    assert [each.job.id for each in reruns(suspects, PastRounds(), allowed)] == [1, 2]
    assert reruns(suspects, PastRounds(), RecoverySettings()) == ()
    assert reruns(suspects, PastRounds(), None) == ()
