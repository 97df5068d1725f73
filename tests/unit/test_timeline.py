"""When and where attempts ran, and what became of the node hours."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.model import Allocation, ComputeNode, Job, JobResult, JobStatus
from torc_watch.core.node_hour_split import NodeHourSplit, split_node_hours
from torc_watch.core.node_hours import node_hours
from torc_watch.core.run_summary import run_summaries
from torc_watch.core.timeline import AttemptSpan, AttemptState, Timeline, timeline_of

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = BEGAN + timedelta(hours=10)
_HOUR = 3600.0


def at(hours: float) -> datetime:
    return BEGAN + timedelta(hours=hours)


def job(number: int, status: JobStatus = JobStatus.COMPLETED, started: float | None = None) -> Job:
    return Job(
        id=number,
        name=f"job_{number}",
        command="",
        status=status,
        requirements_id=1,
        attempt=1,
        started=None if started is None else at(started),
    )


def result(
    number: int,
    began: float,
    ended: float,
    *,
    run_id: int = 1,
    worker: int | None = 1,
    status: JobStatus = JobStatus.COMPLETED,
) -> JobResult:
    return JobResult(
        job_id=number,
        run_id=run_id,
        attempt=1,
        status=status,
        return_code=0,
        exec_seconds=(ended - began) * _HOUR,
        peak_memory=None,
        compute_node_id=worker,
        completed=at(ended),
    )


def worker(
    number: int = 1, began: float = 0, ended: float | None = 4, *, of_slurm: bool = True
) -> ComputeNode:
    return ComputeNode(
        id=number,
        hostname=f"n{number}",
        pid=1,
        allocation_id=number,
        has_ended=ended is not None,
        started=at(began),
        seconds=None if ended is None else (ended - began) * _HOUR,
        is_of_slurm=of_slurm,
    )


def timeline(
    *results: JobResult, workers: tuple[ComputeNode, ...] = (worker(),), jobs: int = 3
) -> Timeline:
    allocation = Allocation(
        id=1, scheduler_id=811, scheduler_config_id=1, scheduler_type="slurm", status="complete"
    )
    every = [job(number) for number in range(1, jobs + 1)]
    return timeline_of(every, results, workers, [allocation], NOW)


def test_attempts_are_on_the_node_of_their_worker() -> None:
    found = timeline(
        result(1, 0.5, 1),
        result(2, 0, 2, worker=2, status=JobStatus.TERMINATED),
        result(3, 1, 3, worker=None),
        workers=(worker(2, -1), worker(1)),
    )
    assert [lane.node for lane in found.lanes] == ["n2", "n1", ""]
    assert [lane.allocations for lane in found.lanes] == [(), (811,), ()]
    assert found.lanes[0].count(AttemptState.FAILED) == 1
    assert found.lanes[1].attempts[0].began == at(0.5)
    assert found.bounds == (at(-1), at(4))


def test_gaps_without_workers_and_results_without_times() -> None:
    undated = JobResult(
        job_id=1,
        run_id=1,
        attempt=1,
        status=JobStatus.FAILED,
        return_code=1,
        exec_seconds=1,
        peak_memory=None,
        compute_node_id=None,
    )
    found = timeline(
        undated, result(9, 0, 1), workers=(worker(1, 0, 2), worker(2, 3, 4), worker(3, 0.5, 1))
    )
    assert found.undated == 1, "a result of a job that was deleted counts as none"
    assert found.without_workers == _HOUR
    assert timeline(workers=()).bounds is None


def test_jobs_that_run_are_on_their_worker_if_that_is_known() -> None:
    jobs = [job(1, JobStatus.RUNNING, started=9), job(2, JobStatus.RUNNING, started=9.5)]
    workers = [worker(ended=None)]
    found = timeline_of(jobs, [], workers, [], NOW, running_on={1: 1})
    assert [(lane.node, lane.attempts[0].seconds) for lane in found.lanes] == [
        ("n1", _HOUR),
        ("", _HOUR / 2),
    ]
    assert found.lanes[0].workers[0].is_alive


def test_runs_are_summed_up() -> None:
    found = timeline(
        result(1, 0, 1, status=JobStatus.FAILED), result(2, 0, 2), result(1, 3, 4, run_id=2)
    )
    first, second = run_summaries(found.attempts)
    assert (first.run_id, first.succeeded, first.failed, first.ended) == (1, 1, 1, at(2))
    assert (second.run_id, second.succeeded, second.failed, second.began) == (2, 1, 0, at(3))


@pytest.mark.parametrize(
    ("results", "workers", "expected"),
    [
        pytest.param([], [worker()], {"waiting": 4}, id="no-job"),
        pytest.param([result(1, 1, 3)], [worker()], {"succeeded": 2, "waiting": 2}, id="one"),
        pytest.param(
            [result(1, 0, 4), result(2, 0, 4, status=JobStatus.FAILED)],
            [worker()],
            {"succeeded": 1, "failed": 3},
            id="shared-by-cpus",
        ),
        pytest.param([result(1, -5, 9)], [worker()], {"succeeded": 4}, id="beyond-its-worker"),
        pytest.param(
            [result(1, 0, 4)],
            [worker(), worker(2, of_slurm=False)],
            {"succeeded": 4},
            id="only-those-of-slurm",
        ),
        pytest.param(
            [result(1, 0, 1)],
            [worker(of_slurm=False)],
            {"succeeded": 1, "waiting": 3, "of_slurm": False},
            id="none-of-slurm",
        ),
        pytest.param([], [], {"of_slurm": False}, id="nothing"),
    ],
)
def test_node_hours_are_split_by_what_became_of_the_jobs(
    results: list[JobResult], workers: list[ComputeNode], expected: dict[str, float]
) -> None:
    attempts = timeline(*results, workers=tuple(workers)).attempts
    split = split_node_hours(workers, attempts, {1: 2, 2: 6}, NOW)
    assert split == NodeHourSplit(**{"of_slurm": True, **expected})  # type: ignore[arg-type]


_TIMES = st.floats(min_value=0, max_value=20).map(lambda hours: round(hours, 3))
_SPANS = st.lists(
    st.tuples(_TIMES, _TIMES, st.sampled_from(AttemptState), st.integers(1, 3)), max_size=20
)


@given(spans=_SPANS, times=st.lists(st.tuples(_TIMES, _TIMES), min_size=1, max_size=3), cpus=_TIMES)
def test_the_parts_of_node_hours_are_all_of_them(
    spans: list[tuple[float, float, AttemptState, int]],
    times: list[tuple[float, float]],
    cpus: float,
) -> None:
    workers = [worker(n, min(pair), max(pair)) for n, pair in enumerate(times, 1)]
    attempts = [
        AttemptSpan(
            job=job(number),
            run_id=1,
            state=state,
            began=at(min(one, other)),
            ended=at(max(one, other)),
            worker_id=on,
        )
        for number, (one, other, state, on) in enumerate(spans)
    ]
    split = split_node_hours(workers, attempts, {1: int(cpus)}, NOW)
    assert split.total == pytest.approx(node_hours(workers, NOW).used)
    assert min(split.succeeded, split.failed, split.running, split.waiting) >= 0
