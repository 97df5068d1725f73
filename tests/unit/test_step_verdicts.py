"""What Slurm says of a job's own step, beside what Torc reports of the job."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause, StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.diagnosis import diagnose
from torc_watch.core.evidence import Evidence
from torc_watch.core.fact import Confidence, Source
from torc_watch.core.findings import Finding
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import Allocation, ComputeNode, Job, JobResult, JobStatus, Requirements
from torc_watch.core.units import MIB
from torc_watch.core.worker_end import WorkerEnd

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CANCELED, FAILED = EndCause.CANCELED, EndCause.FAILED
PROVEN, LIKELY, GUESS = Confidence.PROVEN, Confidence.LIKELY, Confidence.GUESS
MODULE = Clue(
    rule="python-module",
    cause=Cause.ENVIRONMENT,
    weight=Weight.FATAL,
    says="a Python module is missing",
    line="ModuleNotFoundError: No module named 'x'",
    file="out/j.e",
)
MEMORY_LIMIT = Clue(
    rule="slurm-memory-limit",
    cause=Cause.OOM,
    weight=Weight.SCHEDULER,
    says="Slurm stopped it for its memory",
    line="slurmstepd: error: Exceeded job memory limit",
    file="out/j.e",
)
KILL = MemoryKill(
    step="7.3", pid=4711, process="python3", line="Killed process 4711 (python3)", file="out/dmesg"
)
OWN_KILL = MemoryKill(
    step="7.3",
    pid=4711,
    process="python3",
    line="Killed process 4711 (python3)",
    file="out/dmesg",
    is_own=True,
)


def step(
    cause: EndCause | None, detail: str, *, seconds: float = 10, by: str | None = None
) -> StepEnd:
    return StepEnd(
        cause=cause,
        return_code=0,
        began=BEGAN,
        ended=BEGAN + timedelta(seconds=seconds),
        id="7.3",
        canceled_by=by,
        detail=f"step 7.3 {detail}",
    )


OUT_OF_MEMORY = step(EndCause.OUT_OF_MEMORY, "OUT_OF_MEMORY 0:125")
BY_HAND = step(CANCELED, "CANCELLED 0:9")


def ended(cause: EndCause, *, after: float = 12) -> WorkerEnd:
    return WorkerEnd(
        node=ComputeNode(id=1, hostname="n1", pid=1, allocation_id=6, has_ended=True),
        allocation=Allocation(
            id=6, scheduler_id=7, scheduler_config_id=1, scheduler_type="slurm", status="complete"
        ),
        status=AllocationStatus(
            state=AllocationState.GONE,
            cause=cause,
            canceled_by="ann",
            began=BEGAN,
            ended=BEGAN + timedelta(seconds=after),
        ),
    )


def diagnosed(
    return_code: int,
    end: StepEnd | None,
    *,
    status: JobStatus = JobStatus.FAILED,
    peak: int | None = None,
    seconds: float = 10,
    requirements_name: str = "small",
    clues: Sequence[Clue] = (),
    kills: Sequence[MemoryKill] = (),
    worker: WorkerEnd | None = None,
) -> Finding:
    return diagnose(
        Evidence(
            job=Job(
                id=7, name="train", command="true", status=status, requirements_id=1, attempt=1
            ),
            result=JobResult(
                job_id=7,
                run_id=1,
                attempt=1,
                status=status,
                return_code=return_code,
                exec_seconds=seconds,
                peak_memory=peak,
                compute_node_id=1,
                completed=BEGAN + timedelta(seconds=11),
            ),
            requirements=Requirements(
                id=1,
                name=requirements_name,
                num_cpus=1,
                num_gpus=0,
                num_nodes=1,
                memory=64 * MIB,
                runtime=100,
            ),
            is_step=end is not None,
            step=end,
            worker=worker,
            clues=tuple(clues),
            kills=tuple(kills),
        )
    )


@pytest.mark.parametrize(
    ("finding", "cause", "confidence", "reason"),
    [
        pytest.param(
            diagnosed(137, OUT_OF_MEMORY, peak=3 * MIB),
            Cause.OOM,
            PROVEN,
            "its step ran out of memory (step 7.3 OUT_OF_MEMORY 0:125)",
            id="out of memory, whatever the peak",
        ),
        pytest.param(
            diagnosed(137, OUT_OF_MEMORY, requirements_name="default"),
            Cause.UNKNOWN,
            GUESS,
            "no request to raise",
            id="out of memory without a request",
        ),
        pytest.param(
            diagnosed(137, OUT_OF_MEMORY, clues=[MODULE]),
            Cause.OOM,
            LIKELY,
            "its step ran out of memory",
            id="out of memory, though the output says something else",
        ),
        pytest.param(
            diagnosed(137, BY_HAND),
            Cause.UNKNOWN,
            GUESS,
            "killed (137), but Slurm saw no lack of memory (step 7.3 CANCELLED 0:9)",
            id="a user's own kill",
        ),
        pytest.param(
            diagnosed(137, BY_HAND, seconds=99),
            Cause.UNKNOWN,
            GUESS,
            "killed (137), but",
            id="a user's own kill near its run time limit",
        ),
        pytest.param(
            diagnosed(137, step(FAILED, "FAILED 137:0")),
            Cause.UNKNOWN,
            GUESS,
            "killed (137), but",
            id="its own code 137",
        ),
        pytest.param(
            diagnosed(137, BY_HAND, peak=65 * MIB),
            Cause.OOM,
            PROVEN,
            "peak memory 65.0m above its 64m",
            id="a kill above its memory",
        ),
        pytest.param(
            diagnosed(137, BY_HAND, kills=[OWN_KILL]),
            Cause.OOM,
            PROVEN,
            "the kernel killed its process 4711 (python3) for its memory",
            id="the kernel's own word",
        ),
        pytest.param(
            diagnosed(137, BY_HAND, kills=[KILL]),
            Cause.UNKNOWN,
            GUESS,
            "killed (137), but",
            id="the kernel's word of somebody else",
        ),
        pytest.param(
            diagnosed(137, None),
            Cause.OOM,
            GUESS,
            "killed (137)",
            id="137 where Slurm does not say",
        ),
        pytest.param(
            diagnosed(137, None, kills=[KILL]),
            Cause.OOM,
            LIKELY,
            "killed (137)",
            id="137 where the kernel killed something",
        ),
        pytest.param(
            diagnosed(143, step(CANCELED, "CANCELLED 0:15", by="ann")),
            Cause.CANCELED,
            PROVEN,
            "ann canceled its step (step 7.3 CANCELLED 0:15)",
            id="canceled by a user",
        ),
        pytest.param(
            diagnosed(143, step(CANCELED, "CANCELLED 0:15", by="root"), clues=[MEMORY_LIMIT]),
            Cause.OOM,
            PROVEN,
            "Slurm stopped it for its memory",
            id="canceled by Slurm for its memory",
        ),
        pytest.param(
            diagnosed(137, step(CANCELED, "CANCELLED 0:9", by="ann"), worker=ended(CANCELED)),
            Cause.INTERRUPTED,
            PROVEN,
            "stopped because allocation 7 was canceled by ann",
            id="canceled with its allocation",
        ),
        pytest.param(
            diagnosed(
                137,
                step(CANCELED, "CANCELLED 0:9", by="ann"),
                worker=ended(CANCELED, after=1000),
            ),
            Cause.CANCELED,
            PROVEN,
            "ann canceled its step",
            id="canceled long before its allocation",
        ),
        pytest.param(
            diagnosed(137, None, worker=ended(EndCause.OUT_OF_MEMORY, after=1000)),
            Cause.OOM,
            LIKELY,
            "killed (137)",
            id="137 in an allocation that lacked memory",
        ),
        pytest.param(
            diagnosed(
                143,
                step(CANCELED, "CANCELLED 0:15", by="ann"),
                status=JobStatus.TERMINATED,
            ),
            Cause.INTERRUPTED,
            LIKELY,
            "its worker had to leave",
            id="canceled by its worker",
        ),
        pytest.param(
            diagnosed(
                152,
                step(EndCause.TIME_LIMIT, "TIMEOUT 0:15", seconds=95),
                status=JobStatus.TERMINATED,
            ),
            Cause.TIMEOUT,
            PROVEN,
            "its step ran out of time after 1 min 35 s of its 1 min 40 s (step 7.3 TIMEOUT 0:15)",
            id="end of the allocation after its time",
        ),
        pytest.param(
            diagnosed(
                152,
                step(EndCause.TIME_LIMIT, "TIMEOUT 0:15", seconds=50),
                status=JobStatus.TERMINATED,
                seconds=99,
            ),
            Cause.INTERRUPTED,
            PROVEN,
            "Slurm ended it at the end of its allocation (step 7.3 TIMEOUT 0:15)",
            id="end of the allocation, by the step's own time",
        ),
        pytest.param(
            diagnosed(1, step(EndCause.NODE_FAILURE, "NODE_FAIL 1:0")),
            Cause.NODE,
            PROVEN,
            "Slurm lost its node",
            id="node",
        ),
        pytest.param(
            diagnosed(1, step(None, "COMPLETED 0:0")),
            Cause.INPUT,
            LIKELY,
            "it ended without an output file that it declares: its step succeeded (step 7.3",
            id="a declared output is missing",
        ),
        pytest.param(
            diagnosed(3, step(FAILED, "FAILED 3:0")), Cause.UNKNOWN, GUESS, "exit code 3", id="code"
        ),
        pytest.param(
            diagnosed(1, step(FAILED, "FAILED 1:0"), clues=[MODULE]),
            Cause.ENVIRONMENT,
            LIKELY,
            "ModuleNotFoundError",
            id="what the program wrote",
        ),
        pytest.param(
            diagnosed(127, step(FAILED, "FAILED 127:0"), clues=[MODULE]),
            Cause.ENVIRONMENT,
            PROVEN,
            "ModuleNotFoundError",
            id="what the program wrote, and its code",
        ),
    ],
)
def test_cause_with_a_step(
    finding: Finding, cause: Cause, confidence: Confidence, reason: str
) -> None:
    assert (finding.cause, finding.confidence) == (cause, confidence)
    assert reason in finding.reason


def test_facts_are_in_the_order_of_trust() -> None:
    finding = diagnosed(
        137, OUT_OF_MEMORY, peak=3 * MIB, clues=[MODULE, MEMORY_LIMIT], kills=[OWN_KILL]
    )
    assert [(fact.source, fact.text) for fact in finding.facts] == [
        (Source.STEP, "step 7.3 OUT_OF_MEMORY 0:125"),
        (Source.SLURMSTEPD, f"{MEMORY_LIMIT.says}: {MEMORY_LIMIT.line}"),
        (Source.KERNEL, "Killed process 4711 (python3)"),
        (Source.OUTPUT, f"{MODULE.says}: {MODULE.line}"),
        (Source.EXIT_CODE, "killed by signal 9"),
        (Source.USAGE, "ran 10 s of its 1 min 40 s, peak memory 3m of its 64m"),
    ]
