from dataclasses import replace

import yaml

from torc_watch.core.kind_sizes import (
    MeasuredNeed,
    WorkflowSizes,
    kind_sizes,
    suggested,
    unfinished_rows,
)
from torc_watch.core.model import Job, JobResult, JobStatus, Requirements
from torc_watch.core.units import GIB, MIB
from torc_watch.core.utilization import EndedJob
from torc_watch.render.sizes_text import requirements_lines, sizes_lines

BIG = Requirements(
    id=1, name="big", num_cpus=4, num_gpus=0, num_nodes=1, memory=8 * GIB, runtime=3600
)
RAISED = replace(BIG, id=2, name="big.run2.16g.PT1H", memory=16 * GIB)
COMPLETED, FAILED = JobStatus.COMPLETED, JobStatus.FAILED


def test_quantiles_are_measured_values_of_completed_jobs() -> None:
    ended = [_ended(number, peak=number * GIB) for number in range(1, 8)]
    ended += [_ended(8, peak=0), _ended(9, peak=50 * GIB, status=FAILED)]

    (kind,) = kind_sizes(42, ended, [BIG])

    assert kind.name == "train_*"
    assert (kind.jobs, kind.failed, kind.lacks_success) == (9, 1, True)
    assert kind.memory == MeasuredNeed(measured=7, p50=4 * GIB, p95=7 * GIB, largest=7 * GIB)


def test_job_that_recovery_raised_counts_to_the_requirements_that_the_user_wrote() -> None:
    ended = [
        _ended(1, peak=2 * GIB),
        _ended(2, peak=8 * GIB, status=FAILED, row=RAISED),
        _ended(2, peak=10 * GIB, run_id=2, row=RAISED),
    ]

    (kind,) = kind_sizes(42, ended, [BIG, RAISED])
    (suggestion,) = suggested(WorkflowSizes(kinds=(kind,)))

    assert kind.written == BIG
    assert kind.requested_memory == (8 * GIB, 16 * GIB)
    assert (suggestion.name, suggestion.memory, suggestion.runtime) == ("big", 12 * GIB, 900)
    assert not suggestion.is_least


def test_requirements_of_several_kinds_are_enough_for_the_largest() -> None:
    ended = [_ended(1, peak=GIB), _ended(2, peak=20 * GIB, name="merge")]

    (suggestion,) = suggested(WorkflowSizes(kinds=kind_sizes(42, ended, [BIG])))

    assert suggestion.memory == 24 * GIB


def test_of_a_kind_that_did_not_complete_no_less_is_suggested() -> None:
    ended = [_ended(1, peak=GIB), _ended(2, peak=GIB, status=FAILED)]

    (suggestion,) = suggested(WorkflowSizes(kinds=kind_sizes(42, ended, [BIG])))

    assert suggestion.is_least
    assert suggestion.memory == 8 * GIB


def test_of_a_kind_that_did_not_complete_more_is_suggested_than_it_was_seen_to_use() -> None:
    ended = [_ended(1, peak=GIB), _ended(2, peak=10 * GIB, status=FAILED)]

    (suggestion,) = suggested(WorkflowSizes(kinds=kind_sizes(42, ended, [BIG])))

    assert suggestion.memory == 12 * GIB


def test_memory_that_was_not_measured_of_a_kind_is_not_lowered_for_it() -> None:
    ended = [_ended(1, peak=GIB), _ended(2, peak=None, name="merge")]

    (suggestion,) = suggested(WorkflowSizes(kinds=kind_sizes(42, ended, [BIG])))

    assert (suggestion.memory, suggestion.runtime) == (8 * GIB, 900)
    assert not suggestion.is_least


def test_kind_that_was_not_measured_keeps_no_more_than_it_requests() -> None:
    """A scout's large request, say, is that of another kind, which has been measured."""
    ended = [
        _ended(1, peak=10 * GIB, row=replace(RAISED, memory=64 * GIB)),
        _ended(2, peak=None, name="merge"),
    ]

    (suggestion,) = suggested(WorkflowSizes(kinds=kind_sizes(42, ended, [BIG])))

    assert suggestion.memory == 12 * GIB


def test_what_the_user_wrote_is_not_raised_where_it_is_enough() -> None:
    row = replace(BIG, memory=100 * MIB, runtime=60)
    ended = [_ended(1, peak=80 * MIB, seconds=4, row=row)]

    (suggestion,) = suggested(WorkflowSizes(kinds=kind_sizes(42, ended, [row])))

    assert (suggestion.memory, suggestion.runtime) == (100 * MIB, 60)


def test_row_of_jobs_that_have_not_ended_is_not_lowered() -> None:
    ended = [_ended(1, peak=GIB)]
    waiting = replace(ended[0].job, id=2, name="merge", status=JobStatus.BLOCKED)
    rows = {row.id: row for row in (BIG, RAISED)}
    jobs = [ended[0].job, waiting]

    assert unfinished_rows(jobs[:1], ended, rows) == frozenset()
    unfinished = unfinished_rows([*jobs, replace(waiting, requirements_id=RAISED.id)], ended, rows)
    assert unfinished == {"big"}
    sizes = WorkflowSizes(kinds=kind_sizes(42, ended, [BIG]), unfinished=unfinished)
    (suggestion,) = suggested(sizes)

    assert (suggestion.memory, suggestion.runtime) == (8 * GIB, 3600)
    assert suggestion.is_least


def test_what_was_not_measured_stays() -> None:
    (suggestion,) = suggested(WorkflowSizes(kinds=kind_sizes(42, [_ended(1, peak=None)], [BIG])))

    assert suggestion.memory is None


def test_waste_is_failed_attempts_and_unused_memory() -> None:
    ended = [
        _ended(1, peak=2 * GIB, seconds=3600),
        _ended(2, peak=None, seconds=7200, status=FAILED),
    ]

    (kind,) = kind_sizes(42, ended, [BIG])

    assert (kind.failed_node_hours, kind.unused_node_hours) == (2.0, 0.75)


def test_yaml_can_be_pasted_whatever_the_name() -> None:
    row = replace(BIG, name='a: "b" \\ #\n\x07\u202e😀', num_gpus=1, num_nodes=2)
    kinds = kind_sizes(42, [_ended(1, peak=100 * MIB, row=row)], [row])

    text = "\n".join(requirements_lines(kinds, suggested(WorkflowSizes(kinds=kinds))))

    assert yaml.safe_load(text) == {
        "resource_requirements": [
            {
                "name": row.name,
                "num_cpus": 4,
                "num_gpus": 1,
                "num_nodes": 2,
                "memory": "128m",
                "runtime": "PT15M",
            }
        ]
    }
    assert "\x07" not in text
    assert "\u202e" not in text


def test_table_has_a_row_for_memory_and_one_for_run_time() -> None:
    lines = list(sizes_lines(42, kind_sizes(42, [_ended(1, peak=GIB)], [BIG])))

    assert lines[1].split() == ["train_1", "1", "0", "memory", "8g", "1g", "1g", "1g"]
    assert "node hours" in lines[4]


def test_attempts_of_one_job_that_were_not_measured_are_no_jobs() -> None:
    ended = [_ended(1, peak=None, run_id=run_id) for run_id in (1, 2)]

    *_, last = sizes_lines(42, kind_sizes(42, ended, [BIG]))

    assert last.startswith("The memory of 2 attempts was not measured")


def test_workflow_without_ended_jobs_has_no_sizes() -> None:
    assert list(sizes_lines(42, ())) == [
        "No job of workflow 42 that has resource requirements has ended yet."
    ]


def _ended(
    job_id: int,
    *,
    peak: int | None,
    status: JobStatus = COMPLETED,
    run_id: int = 1,
    row: Requirements = BIG,
    seconds: float = 600,
    name: str = "",
) -> EndedJob:
    job = Job(
        id=job_id,
        name=name or f"train_{job_id}",
        command="",
        status=status,
        requirements_id=row.id,
        attempt=1,
    )
    result = JobResult(
        job_id=job_id,
        run_id=run_id,
        attempt=1,
        status=status,
        return_code=0,
        exec_seconds=seconds,
        peak_memory=peak,
        compute_node_id=None,
    )
    return EndedJob(job=job, result=result, requirements=row)
