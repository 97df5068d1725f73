"""Failures that nothing explains but what is not there: room, or an output file."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from torc_watch.core.allocation import EndCause, StepEnd
from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.diagnosis import diagnose, is_unexplained
from torc_watch.core.evidence import Evidence
from torc_watch.core.fact import Confidence, Fact, Source
from torc_watch.core.model import Job, JobResult, JobStatus

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FOLDER = "/scratch/out"
LIKELY, GUESS = Confidence.LIKELY, Confidence.GUESS
MODULE = Clue(
    rule="python-module",
    cause=Cause.ENVIRONMENT,
    weight=Weight.FATAL,
    says="a Python module is missing",
    line="ModuleNotFoundError: No module named 'x'",
    file="out/j.e",
)
COMPLETED = StepEnd(
    cause=None, return_code=0, began=BEGAN, ended=BEGAN, id="7.3", detail="step 7.3 COMPLETED 0:0"
)
FAILED = StepEnd(
    cause=EndCause.FAILED,
    return_code=1,
    began=BEGAN,
    ended=BEGAN,
    id="7.3",
    detail="step 7.3 FAILED 1:0",
)


def evidence(
    return_code: int,
    *,
    full: str | None = None,
    missing: Sequence[str] = (),
    step: StepEnd | None = None,
    clues: Sequence[Clue] = (),
) -> Evidence:
    job = Job(
        id=7,
        name="train",
        command="true",
        status=JobStatus.FAILED,
        requirements_id=None,
        attempt=1,
    )
    result = JobResult(
        job_id=7,
        run_id=1,
        attempt=1,
        status=JobStatus.FAILED,
        return_code=return_code,
        exec_seconds=1.0,
        peak_memory=None,
        compute_node_id=1,
    )
    return Evidence(
        job=job,
        result=result,
        requirements=None,
        is_step=step is not None,
        step=step,
        clues=tuple(clues),
        full_folder=full,
        missing_outputs=tuple(missing),
    )


@pytest.mark.parametrize(
    ("known", "cause", "confidence", "reason"),
    [
        pytest.param(
            evidence(1, full=FOLDER),
            Cause.FILE_SYSTEM_FULL,
            LIKELY,
            "exit code 1; it could write nothing: /scratch/out has no room",
            id="no room",
        ),
        pytest.param(
            evidence(139, full=FOLDER),
            Cause.FILE_SYSTEM_FULL,
            LIKELY,
            "segmentation fault (signal 11); it could write nothing: /scratch/out has no room",
            id="no room, and a crash",
        ),
        pytest.param(
            evidence(1, full=FOLDER, missing=["/data/a.csv"]),
            Cause.FILE_SYSTEM_FULL,
            LIKELY,
            "exit code 1; it could write nothing: /scratch/out has no room",
            id="no room, so no output file",
        ),
        pytest.param(
            evidence(1, missing=["/data/a.csv"]),
            Cause.INPUT,
            LIKELY,
            "it ended without its output /data/a.csv",
            id="no output file",
        ),
        pytest.param(
            evidence(1, missing=["/data/a.csv", "/data/b.csv", "/data/c.csv"]),
            Cause.INPUT,
            LIKELY,
            "it ended without its output /data/a.csv and 2 more",
            id="no output files",
        ),
        pytest.param(
            evidence(1, missing=["/data/a.csv"], step=COMPLETED),
            Cause.INPUT,
            LIKELY,
            "it ended without its output /data/a.csv: its step succeeded (step 7.3 COMPLETED 0:0)",
            id="no output file, of a step that succeeded",
        ),
        pytest.param(
            evidence(1, step=COMPLETED),
            Cause.INPUT,
            LIKELY,
            "it ended without an output file that it declares: "
            "its step succeeded (step 7.3 COMPLETED 0:0)",
            id="a step that succeeded",
        ),
        pytest.param(
            evidence(2, missing=["/data/a.csv"]),
            Cause.UNKNOWN,
            GUESS,
            "exit code 2",
            id="Torc has another code for it",
        ),
        pytest.param(
            evidence(1, full=FOLDER, missing=["/data/a.csv"], clues=[MODULE]),
            Cause.ENVIRONMENT,
            LIKELY,
            "a Python module is missing: ModuleNotFoundError: No module named 'x'",
            id="what the program wrote counts",
        ),
        pytest.param(evidence(1), Cause.UNKNOWN, GUESS, "exit code 1", id="all is there"),
    ],
)
def test_cause(known: Evidence, cause: Cause, confidence: Confidence, reason: str) -> None:
    finding = diagnose(known)
    assert (finding.cause, finding.confidence, finding.reason) == (cause, confidence, reason)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(evidence(1), True, id="a code that says nothing"),
        pytest.param(evidence(139), True, id="a code that suggests a cause"),
        pytest.param(evidence(1, step=COMPLETED), True, id="a step that succeeded"),
        pytest.param(evidence(1, step=FAILED), True, id="a step that failed, too"),
        pytest.param(evidence(1, clues=[MODULE]), False, id="a line of output"),
        pytest.param(evidence(137), False, id="a kill"),
        pytest.param(evidence(-128), False, id="the end of its worker"),
    ],
)
def test_only_what_nothing_else_explains_is_looked_into(known: Evidence, *, expected: bool) -> None:
    assert is_unexplained(known) == expected


def test_facts_name_what_is_not_there() -> None:
    facts = diagnose(evidence(1, full=FOLDER, missing=["/data/a.csv"])).facts
    assert facts[:2] == (
        Fact(
            source=Source.OUTPUT,
            text="it is empty, and /scratch/out has no room",
            cause=Cause.FILE_SYSTEM_FULL,
        ),
        Fact(
            source=Source.OUTPUT,
            text="an output file that it declares is missing",
            file="/data/a.csv",
            cause=Cause.INPUT,
        ),
    )


def test_jobs_without_the_same_kind_of_output_failed_alike() -> None:
    first, second = (diagnose(evidence(1, missing=[f"/data/{n}.csv"])) for n in (1, 22))
    assert first.fingerprint == second.fingerprint == "no output /data/#.csv"
    assert first.remedy is Remedy.RETRY_ONCE
