"""How the jobs of a workflow are sorted into kinds, from a specification and from the server."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.model import Dependent, Job, JobStatus, Requirements
from torc_watch.core.units import GIB
from torc_watch.planner.job_kinds import JobRequest, PlannedJob, first_jobs, sort_jobs
from torc_watch.planner.jobs_left import jobs_left
from torc_watch.planner.workload import ExecutionMode
from torc_watch.spec import expand
from torc_watch.spec.planned_jobs import execution_mode, planned_jobs

SMALL = JobRequest(name="small", num_cpus=1, memory=GIB)
LARGE = JobRequest(name="large", num_cpus=4, memory=8 * GIB)


def jobs(*rows: tuple[JobRequest, Sequence[int]]) -> list[PlannedJob]:
    return [
        PlannedJob(example=f"job_{position}", request=request, after=after)
        for position, (request, after) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        pytest.param(jobs(), [], id="none"),
        pytest.param(jobs((SMALL, ())), [("small", 1, set(), 1)], id="one"),
        pytest.param(
            jobs((SMALL, ()), (LARGE, ()), (SMALL, ())),
            [("small", 2, set(), 1), ("large", 1, set(), 1)],
            id="by requirements",
        ),
        pytest.param(
            jobs((SMALL, ()), (SMALL, ()), (SMALL, (0, 1)), (LARGE, (2,))),
            [("small", 2, set(), 1), ("small-2", 1, {0}, 1), ("large", 1, {1}, 1)],
            id="by layers",
        ),
        pytest.param(
            jobs((SMALL, ()), (SMALL, (0,)), (SMALL, (1,)), (SMALL, ())),
            [("small", 4, set(), 3)],
            id="a chain and one job",
        ),
        pytest.param(
            jobs((SMALL, ()), (LARGE, (0,)), (LARGE, (1,)), (SMALL, (2,))),
            [("small", 1, set(), 1), ("large", 2, {0}, 2), ("small-2", 1, {1}, 1)],
            id="a chain between others",
        ),
        pytest.param(
            jobs((SMALL, ()), (SMALL, (0,)), (SMALL, (0,))),
            [("small", 1, set(), 1), ("small-2", 2, {0}, 1)],
            id="two that follow one are no chain",
        ),
    ],
)
def test_kinds(planned: list[PlannedJob], expected: list[tuple[str, int, set[int], int]]) -> None:
    found = sort_jobs(planned).kinds
    assert [(kind.name, kind.jobs, set(kind.after), kind.in_a_row) for kind in found] == expected


@given(st.data())
def test_every_job_has_a_kind_and_layers_are_in_order(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 12))
    rows = [
        (
            data.draw(st.sampled_from([SMALL, LARGE])),
            tuple(data.draw(st.sets(st.integers(0, place - 1), max_size=3))) if place else (),
        )
        for place in range(number)
    ]
    planned = jobs(*rows)
    found = sort_jobs(planned)

    assert sum(kind.jobs for kind in found.kinds) == number == len(found.kind_of)
    assert len({kind.name for kind in found.kinds}) == len(found.kinds)
    assert all(before < index for index, kind in enumerate(found.kinds) for before in kind.after)
    for position, job in enumerate(planned):
        kind = found.kinds[found.kind_of[position]]
        before = {found.kind_of[each] for each in job.after}
        assert before <= kind.after | {found.kind_of[position]}
        assert (kind.num_cpus, kind.memory) == (job.request.num_cpus, job.request.memory)


def test_specification() -> None:
    """Dependencies by name and through a file."""
    spec = expand(
        {
            "name": "two layers",
            "files": [{"name": "data", "path": "data"}],
            "resource_requirements": [
                {"name": "small", "num_cpus": 1, "memory": "1g", "runtime": "PT5M"},
            ],
            "jobs": [
                {"name": "make", "command": "true", "output_files": ["data"]},
                {
                    "name": "train_{i}",
                    "command": "true",
                    "resource_requirements": "small",
                    "input_files": ["data"],
                    "parameters": {"i": "1:3"},
                },
                {"name": "end", "command": "true", "depends_on_regexes": ["train_.*"]},
            ],
        }
    )
    kinds = sort_jobs(planned_jobs(spec)).kinds

    assert [(kind.example, kind.name, kind.jobs, set(kind.after)) for kind in kinds] == [
        ("make", "default", 1, set()),
        ("train_1", "small", 3, {0}),
        ("end", "default-2", 1, {1}),
    ]
    assert (kinds[1].runtime, kinds[1].memory, kinds[0].runtime) == (300, GIB, 60)


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        (None, ExecutionMode.DIRECT),
        ({}, ExecutionMode.DIRECT),
        ({"mode": "direct"}, ExecutionMode.DIRECT),
        ({"mode": "slurm"}, ExecutionMode.SLURM),
        ({"mode": "auto"}, ExecutionMode.SLURM),
    ],
)
def test_execution_mode(settings: object, mode: ExecutionMode) -> None:
    assert execution_mode(settings) is mode


ROW = Requirements(id=5, name="small", num_cpus=2, num_gpus=0, num_nodes=1, memory=GIB, runtime=300)


def job(number: int, status: JobStatus, *, labels: frozenset[str] = frozenset()) -> Job:
    return Job(
        id=number,
        name=f"job_{number}",
        command="true",
        status=status,
        requirements_id=5,
        attempt=1,
        labels=labels,
    )


def after(number: int, *before: int) -> list[Dependent]:
    return [Dependent(job_id=number, job_name="", depends_on=each) for each in before]


def test_jobs_that_are_left() -> None:
    """They keep their order, whatever the server's; what has ended is waited for no more."""
    found = jobs_left(
        [
            job(9, JobStatus.READY),
            job(2, JobStatus.BLOCKED),
            job(3, JobStatus.COMPLETED),
            job(4, JobStatus.RUNNING),
            job(5, JobStatus.BLOCKED),
        ],
        [ROW],
        [*after(2, 9, 3), *after(5, 4)],
        42,
    )
    kinds = sort_jobs(found.planned)

    assert [each.id for each in found.jobs] == [5, 9, 2]
    assert [each.example for each in found.running] == ["4 (job_4)"]
    assert [(each.after, each.waits) for each in found.planned] == [
        ((), True),
        ((), False),
        ((1,), False),
    ]
    assert [kind.example for kind in kinds.kinds] == ["5 (job_5)", "9 (job_9)"]
    assert kinds.waiting == {0}
    assert found.notes == ()


def test_too_many_dependencies_to_know() -> None:
    found = jobs_left([job(1, JobStatus.READY), job(2, JobStatus.BLOCKED)], [ROW], None, 42)
    assert [each.waits for each in found.planned] == [False, True]


def test_uninitialized_jobs_wait() -> None:
    found = jobs_left([job(1, JobStatus.UNINITIALIZED)], [ROW], [], 42)
    assert not sort_jobs(found.planned).begin_at_once([0])


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({}, ""),
        ({"memory": None}, "The memory of requirements"),
        ({"runtime": None}, "The run time of requirements"),
    ],
)
def test_requirements_that_cannot_be_read_are_said(change: dict[str, Any], note: str) -> None:
    found = jobs_left([job(1, JobStatus.READY)], [replace(ROW, **change)], [], 42)
    assert [each.startswith(note) for each in found.notes] == ([True] if note else [])


def test_requirements_of_no_nodes_and_cpus_are_planned_with_one() -> None:
    row = replace(ROW, num_nodes=0, num_cpus=0)
    (planned,) = jobs_left([job(1, JobStatus.READY)], [row], [], 42).planned
    assert (planned.request.num_nodes, planned.request.num_cpus) == (1, 1)


def test_jobs_in_a_cycle_are_not_planned_for() -> None:
    rows = [job(number, JobStatus.BLOCKED) for number in (1, 2)] + [job(3, JobStatus.READY)]
    found = jobs_left(rows, [ROW], [*after(1, 2), *after(2, 1)], 42)
    assert [each.id for each in found.jobs] == [3]


@pytest.mark.parametrize(
    ("row", "planned", "note"),
    [
        (job(1, JobStatus.FAILED), 0, "Job 1 (job_1) failed or were canceled"),
        (job(1, JobStatus.UNINITIALIZED), 1, "Job 1 (job_1) is not initialized"),
        (job(1, JobStatus.READY, labels=frozenset({"big"})), 0, "with their labels (big)"),
    ],
)
def test_notes(row: Job, planned: int, note: str) -> None:
    found = jobs_left([row], [ROW], [], 42)
    assert len(found.planned) == planned
    [text] = found.notes
    assert note in text


def test_job_without_requirements() -> None:
    [planned] = jobs_left([job(1, JobStatus.READY)], [], [], 42).planned
    assert (planned.request.num_cpus, planned.request.runtime) == (1, 60)


def test_jobs_that_an_allocation_waits_for() -> None:
    """Of a chain only its first link becomes ready before the others are done."""
    planned = jobs((LARGE, ()), (SMALL, (0,)), (SMALL, (1,)), (SMALL, (0,)))
    later = sort_jobs(planned).jobs_of([1])
    assert (later, first_jobs(planned, later)) == ([1, 2, 3], [1, 3])
