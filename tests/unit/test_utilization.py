"""What jobs used is compared with what they requested."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from torc_watch.core.failed_use import FailedUse, failed_use
from torc_watch.core.model import Job, JobResult, JobStatus, Requirements, StepUsage
from torc_watch.core.units import GIB, MIB
from torc_watch.core.utilization import (
    EndedJob,
    Fit,
    JobUse,
    ResourceKind,
    Utilization,
    compare,
    enough_for,
    is_over,
    measured,
    uses_of,
    with_step_peaks,
)

ROW = Requirements(
    id=1, name="large", num_cpus=4, num_gpus=0, num_nodes=1, memory=2 * GIB, runtime=3600
)


def ended(
    job_id: int = 1,
    *,
    name: str | None = None,
    row: Requirements | None = ROW,
    code: int = 0,
    memory: int | None = None,
    cpu: float | None = None,
    seconds: float = 60,
) -> EndedJob:
    status = JobStatus.FAILED if code else JobStatus.COMPLETED
    return EndedJob(
        job=Job(
            id=job_id,
            name=name or f"train_{job_id}",
            command="",
            status=status,
            requirements_id=row.id if row else None,
            attempt=1,
        ),
        result=JobResult(
            job_id=job_id,
            run_id=1,
            attempt=1,
            status=status,
            return_code=code,
            exec_seconds=seconds,
            peak_memory=memory,
            peak_cpu=cpu,
            compute_node_id=None,
        ),
        requirements=row,
    )


def compared(*jobs: EndedJob, tolerance: float = 1) -> Utilization:
    return compare(jobs, [each.job for each in jobs], tolerance=tolerance)


@pytest.mark.parametrize(
    ("job", "over"),
    [
        pytest.param(ended(memory=2 * GIB), [], id="as much as requested"),
        pytest.param(ended(memory=2 * GIB + MIB), [], id="within the tolerance"),
        pytest.param(ended(memory=3 * GIB), [("memory", 50)], id="memory"),
        pytest.param(ended(cpu=500), [("cpu", 25)], id="CPU"),
        pytest.param(ended(seconds=7200), [("runtime", 100)], id="run time"),
        pytest.param(
            ended(memory=3 * GIB, seconds=7200), [("memory", 50), ("runtime", 100)], id="two"
        ),
        pytest.param(ended(memory=3 * GIB, row=None), [], id="no request"),
        pytest.param(
            ended(memory=3 * GIB, row=replace(ROW, name="default", memory=MIB)),
            [],
            id="the server's default is no request",
        ),
        pytest.param(
            ended(memory=3 * GIB, row=replace(ROW, memory=None)), [], id="unreadable request"
        ),
        pytest.param(ended(memory=3 * GIB, row=replace(ROW, memory=0)), [], id="request of 0"),
    ],
)
def test_over_use(job: EndedJob, over: list[tuple[str, float]]) -> None:
    found = compared(job).over
    assert [(use.resource.value, round(use.excess, 6)) for use in found] == over


@pytest.mark.parametrize("peak", [None, 0, 0.0, math.nan, math.inf, -1.0])
def test_what_was_not_measured_is_not_compared(peak: float | None) -> None:
    result = ended(cpu=peak, seconds=peak or 0.0).result
    assert [measured(result, resource) for resource in ResourceKind] == [None, None, None]
    (kind,) = compared(ended(cpu=peak)).kinds
    assert (kind.use_of(ResourceKind.CPU).fit, kind.use_of(ResourceKind.CPU).enough) == (
        Fit.NOT_MEASURED,
        None,
    )


def test_jobs_alike_are_one_kind() -> None:
    more = replace(ROW, id=2, memory=4 * GIB)
    found = compared(
        *(ended(number, memory=number * 700 * MIB) for number in (1, 2, 3)),
        ended(4, row=more),
        ended(5, name="evaluate"),
        ended(6, row=None),
    )
    assert [(kind.name, kind.jobs, kind.requirements.id) for kind in found.kinds] == [
        ("train", 3, 1),
        ("train", 1, 2),
        ("evaluate", 1, 1),
    ]
    memory = found.kinds[0].use_of(ResourceKind.MEMORY)
    assert (memory.used, memory.measured, memory.over) == (2100 * MIB, 3, 1)
    assert (memory.enough, memory.fit) == (3150 * MIB, Fit.TOO_LITTLE)
    assert (found.jobs, found.without_request) == (6, 1)


@pytest.mark.parametrize(
    ("job", "fits"),
    [
        pytest.param(
            ended(memory=310 * MIB, cpu=110, seconds=3000),
            [Fit.FAR_TOO_MUCH, Fit.FAR_TOO_MUCH, Fit.ENOUGH],
            id="twice too much",
        ),
        pytest.param(
            ended(memory=GIB, cpu=210, seconds=1000),
            [Fit.ENOUGH, Fit.ENOUGH, Fit.FAR_TOO_MUCH],
            id="less than twice",
        ),
        pytest.param(
            ended(
                row=replace(ROW, memory=200 * MIB, num_cpus=1, runtime=600),
                memory=MIB,
                cpu=1,
                seconds=1,
            ),
            [Fit.ENOUGH] * 3,
            id="trifles",
        ),
    ],
)
def test_far_too_much(job: EndedJob, fits: list[Fit]) -> None:
    (kind,) = compared(job).kinds
    assert [use.fit for use in kind.uses] == fits


def test_no_kind_of_which_a_job_failed_requests_too_much() -> None:
    good, bad = ended(1, memory=310 * MIB), ended(2, code=137)
    found = compare([good], [good.job, bad.job], tolerance=1)
    assert found.kinds[0].use_of(ResourceKind.MEMORY).fit is Fit.ENOUGH
    assert not found.failed
    assert compared(good, bad).failed == (bad,)


def test_slurm_counts_where_it_measured_more() -> None:
    results = [ended(number, memory=peak).result for number, peak in ((1, 5), (2, 0), (3, 9))]
    steps = [
        StepUsage(job_id=number, run_id=run, attempt=1, peak_memory=peak, nodes="")
        for number, run, peak in ((1, 1, 7), (2, 2, 7), (3, 1, None))
    ]
    assert [each.peak_memory for each in with_step_peaks(results, steps)] == [7, None, 9]


OOM = FailedUse(
    memory_reason="sigkill_137",
    memory_excess=None,
    runtime_share=50,
    timeout_reason=None,
    is_likely_timeout=False,
    exceeds_cpus=False,
    exceeds_runtime=False,
)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param(ended(code=137, seconds=1800), OOM, id="killed early"),
        pytest.param(
            ended(code=137, seconds=3420),
            replace(OOM, memory_reason=None, runtime_share=95, is_likely_timeout=True),
            id="killed late",
        ),
        pytest.param(
            ended(code=1, seconds=1800, memory=3 * GIB, cpu=401),
            replace(OOM, memory_reason="memory_exceeded", memory_excess=50, exceeds_cpus=True),
            id="over its memory",
        ),
        pytest.param(
            ended(code=152, seconds=1800),
            replace(OOM, memory_reason=None, timeout_reason="sigxcpu_152", is_likely_timeout=True),
            id="timeout",
        ),
        pytest.param(
            ended(code=1, seconds=7200),
            replace(
                OOM,
                memory_reason=None,
                runtime_share=200,
                is_likely_timeout=True,
                exceeds_runtime=True,
            ),
            id="over its run time",
        ),
        pytest.param(
            ended(code=137, seconds=0), replace(OOM, runtime_share=None), id="no time known"
        ),
    ],
)
def test_failed_jobs_as_torc_sees_them(job: EndedJob, expected: FailedUse) -> None:
    found = failed_use(job)
    assert found.runtime_share == (
        None if expected.runtime_share is None else pytest.approx(expected.runtime_share)
    )
    assert replace(found, runtime_share=expected.runtime_share) == expected


amounts = st.floats(0.01, 2.0**50)


@given(resource=st.sampled_from(ResourceKind), used=amounts, more=amounts)
def test_what_would_be_enough_is_enough_and_grows(
    resource: ResourceKind, used: float, more: float
) -> None:
    assert enough_for(resource, used) >= used
    assert enough_for(resource, used + more) >= enough_for(resource, used)


@given(
    cpus=st.integers(1, 64),
    memory=st.integers(1, 2**48),
    seconds=st.integers(1, 10**6),
    peaks=st.lists(st.tuples(st.integers(0, 2**49), st.floats(0, 9000), amounts), min_size=1),
    tolerance=st.floats(0, 100),
)
def test_every_use_is_over_or_within_and_advice_agrees(
    cpus: int,
    memory: int,
    seconds: int,
    peaks: list[tuple[int, float, float]],
    tolerance: float,
) -> None:
    row = replace(ROW, num_cpus=cpus, memory=memory, runtime=seconds)
    jobs = [
        ended(number, row=row, memory=peak, cpu=cpu, seconds=ran)
        for number, (peak, cpu, ran) in enumerate(peaks, 1)
    ]
    found = compared(*jobs, tolerance=tolerance)
    everything = [use for job in jobs for use in uses_of(job)]
    assert len(everything) == len(found.over) + len(found.within)
    assert all(is_over(use, tolerance) for use in found.over)
    for use in (use for kind in found.kinds for use in kind.uses):
        if use.fit is Fit.NOT_MEASURED:
            continue
        assert use.enough is not None
        assert use.requested is not None
        if use.fit is Fit.TOO_LITTLE:
            assert use.enough > use.requested
        if use.fit is Fit.FAR_TOO_MUCH:
            assert use.enough * 2 <= use.requested


@given(requested=amounts, used=amounts, tolerance=st.floats(0, 100))
def test_a_larger_tolerance_finds_no_more(requested: float, used: float, tolerance: float) -> None:
    use = JobUse(job=ended().job, resource=ResourceKind.MEMORY, requested=requested, used=used)
    assume(is_over(use, tolerance))
    assert is_over(use, tolerance / 2)
    assert used > requested
