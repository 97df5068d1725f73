"""Converting the server's JSON to core values: optional, ignored and rejected fields."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from torc_watch.core.errors import ServerFault
from torc_watch.core.model import (
    Allocation,
    ComputeNode,
    Job,
    JobResult,
    JobStatus,
    KillCodes,
    Requirements,
    SchedulerConfig,
    Workflow,
)
from torc_watch.core.units import GIB
from torc_watch.torc import wire

LOCAL = SchedulerConfig(id=2, name="default", scheduler_type="local", num_cpus=1, memory=None)
SLURM = SchedulerConfig(id=2, name="default", scheduler_type="slurm", num_cpus=None, memory=None)
JOB = {"id": 7, "workflow_id": 1, "name": "a", "command": "true", "status": "failed"}
RESULT = {
    "id": 3,
    "job_id": 7,
    "workflow_id": 1,
    "run_id": 2,
    "compute_node_id": 4,
    "return_code": 137,
    "exec_time_minutes": 1.5,
    "completion_time": "2026-01-01T00:00:00Z",
    "status": "failed",
}
REQUIREMENTS = {"id": 5, "workflow_id": 1, "name": "small"}
NODE = {
    "id": 4,
    "workflow_id": 1,
    "hostname": "n1",
    "pid": 42,
    "start_time": "2026-01-01T00:00:00Z",
}
ALLOCATION = {
    "id": 6,
    "workflow_id": 1,
    "scheduler_id": 99,
    "scheduler_config_id": 2,
    "scheduler_type": "slurm",
    "status": "active",
}


@pytest.mark.parametrize("status", list(JobStatus))
def test_known_status_is_parsed(status: JobStatus) -> None:
    assert wire.parse_status(status.value) is status


@pytest.mark.parametrize("text", ["suspended", "Failed", "", None, 6, ["failed"], {}])
def test_unknown_status_is_unrecognized(text: Any) -> None:
    job = wire.parse(wire.JobRow, JOB | {"status": text}, "/jobs/7").to_model()
    assert job.status is JobStatus.UNRECOGNIZED


@pytest.mark.parametrize(
    ("extra", "requirements_id", "attempt"),
    [
        ({}, None, 1),
        ({"resource_requirements_id": None, "attempt_id": None}, None, 1),
        ({"resource_requirements_id": 5, "attempt_id": 3, "origin": "retry"}, 5, 3),
    ],
)
def test_job_is_parsed(extra: dict[str, Any], requirements_id: int | None, attempt: int) -> None:
    assert wire.parse(wire.JobRow, JOB | extra, "/jobs/7").to_model() == Job(
        id=7,
        name="a",
        command="true",
        status=JobStatus.FAILED,
        requirements_id=requirements_id,
        attempt=attempt,
    )


@pytest.mark.parametrize(
    ("extra", "attempt", "peak_memory"),
    [
        ({}, 1, None),
        ({"attempt_id": None, "peak_memory_bytes": None}, 1, None),
        ({"attempt_id": 2, "peak_memory_bytes": 5 * GIB, "job_name": "a"}, 2, 5 * GIB),
    ],
)
def test_run_time_of_a_result_is_converted_to_seconds(
    extra: dict[str, Any], attempt: int, peak_memory: int | None
) -> None:
    assert wire.parse(wire.ResultRow, RESULT | extra, "/results").to_model() == JobResult(
        job_id=7,
        run_id=2,
        attempt=attempt,
        status=JobStatus.FAILED,
        return_code=137,
        exec_seconds=90.0,
        peak_memory=peak_memory,
        compute_node_id=4,
        completed=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("texts", "memory", "runtime"),
    [
        ({"memory": "8g", "runtime": "PT1H30M"}, 8 * GIB, 5400),
        ({"memory": "8gb", "runtime": "90 minutes"}, None, None),
        ({"memory": None, "runtime": None}, None, None),
        ({}, None, None),
    ],
)
def test_requirements_are_converted_to_numbers_or_none(
    texts: dict[str, Any], memory: int | None, runtime: int | None
) -> None:
    row = REQUIREMENTS | {"num_cpus": None, "num_gpus": 2} | texts
    assert wire.parse(wire.RequirementsRow, row, "/x").to_model() == Requirements(
        id=5, name="small", num_cpus=1, num_gpus=2, num_nodes=1, memory=memory, runtime=runtime
    )


@pytest.mark.parametrize(
    ("extra", "config_id"),
    [
        ({}, None),
        ({"scheduler_id": None}, None),
        ({"scheduler_id": 0}, None),
        ({"scheduler_id": 5}, 5),
    ],
)
def test_job_is_tied_to_a_row_of_a_scheduler(extra: dict[str, Any], config_id: int | None) -> None:
    job = wire.parse(wire.JobRow, JOB | extra, "/jobs/7").to_model()
    assert job.scheduler_config_id == config_id


@pytest.mark.parametrize(
    ("extra", "allocation_id", "has_ended"),
    [
        ({"scheduler": {"scheduler_id": 6, "slurm_job_id": 99}}, 6, False),
        ({"scheduler": None, "is_active": False}, None, False),
        ({"scheduler": {"scheduler_id": None}, "is_active": True}, None, False),
        ({"scheduler": "slurm", "duration_seconds": 0.0}, None, True),
        ({"duration_seconds": 60, "is_active": True}, None, True),
        ({}, None, False),
    ],
)
def test_compute_node_has_ended_when_its_duration_is_known(
    extra: dict[str, Any], allocation_id: int | None, *, has_ended: bool
) -> None:
    assert wire.parse(wire.ComputeNodeRow, NODE | extra, "/x").to_model() == ComputeNode(
        id=4,
        hostname="n1",
        pid=42,
        allocation_id=allocation_id,
        has_ended=has_ended,
        seconds=extra.get("duration_seconds"),
        started=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T01:00:00.123456789+01:00", datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-01T00:00:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        (None, None),
        (5, None),
    ],
)
def test_times_are_aware_or_none(text: Any, moment: datetime | None) -> None:
    job = wire.parse(wire.JobRow, JOB | {"start_time": text}, "/x").to_model()
    node = wire.parse(wire.ComputeNodeRow, NODE | {"end_time": text}, "/x").to_model()
    assert (job.started, node.limit) == (moment, moment)


@pytest.mark.parametrize(
    ("start_time", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 60),
        ("2026-01-01T00:00:00.123456789+00:00", 59.876544),
        ("2026-01-01T01:00:00+01:00", 60),
        ("2026-01-01T00:00:00", 60),
        ("2026-01-01T00:02:00Z", 0),
        ("yesterday", 0),
    ],
)
def test_seconds_since_a_worker_started_are_computed(start_time: str, seconds: float) -> None:
    row = wire.parse(wire.ComputeNodeRow, NODE | {"start_time": start_time}, "/x")
    assert row.seconds_until(datetime(2026, 1, 1, 0, 1, tzinfo=UTC)) == pytest.approx(seconds)


def test_allocation_is_parsed() -> None:
    assert wire.parse(wire.AllocationRow, ALLOCATION, "/x").to_model() == Allocation(
        id=6, scheduler_id=99, scheduler_config_id=2, scheduler_type="slurm", status="active"
    )


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, LOCAL),
        (
            {"name": "big", "num_cpus": 4, "memory": "2g"},
            replace(LOCAL, name="big", num_cpus=4, memory=2 * GIB),
        ),
    ],
)
def test_local_scheduler_is_parsed(extra: dict[str, Any], expected: SchedulerConfig) -> None:
    assert wire.parse(wire.LocalSchedulerRow, {"id": 2} | extra, "/x").to_model() == expected


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, SLURM),
        ({"walltime": "soon", "mem": "much", "gres": None, "nodes": None}, SLURM),
        (
            {
                "name": "gpu",
                "account": "a",
                "partition": "gpu,long",
                "qos": "high",
                "nodes": 2,
                "walltime": "1-02:30:00",
                "mem": "180G",
                "gres": "gpu:h100:4",
                "ntasks_per_node": 7,
                "extra": "--exclusive --cpus-per-task=8",
            },
            replace(
                SLURM,
                name="gpu",
                num_cpus=8,
                memory=180 * GIB,
                num_gpus=4,
                num_nodes=2,
                runtime=95_400,
                partitions=("gpu", "long"),
                options=(
                    "--account=a",
                    "--partition=gpu,long",
                    "--qos=high",
                    "--gres=gpu:h100:4",
                    "--exclusive --cpus-per-task=8",
                ),
            ),
        ),
    ],
)
def test_slurm_scheduler_is_parsed(extra: dict[str, Any], expected: SchedulerConfig) -> None:
    assert wire.parse(wire.SlurmSchedulerRow, {"id": 2} | extra, "/x").to_model() == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, KillCodes(memory=137, runtime=152)),
        ({"mode": "direct", "oom_exit_code": 77}, KillCodes(memory=77, runtime=152)),
        ({"timeout_exit_code": 78, "oom_exit_code": None}, KillCodes(memory=137, runtime=78)),
        (None, KillCodes(memory=137, runtime=152)),
        ('{"oom_exit_code": 77}', KillCodes(memory=137, runtime=152)),
    ],
)
def test_kill_codes_of_a_workflow_are_parsed(config: Any, expected: KillCodes) -> None:
    answer = {"id": 1, "name": "w", "user": "ada", "execution_config": config}
    row = wire.parse(wire.WorkflowRow, answer, "/workflows/1")
    assert row.to_model(1, row).kill_codes == expected


@pytest.mark.parametrize(
    ("config", "spreads_jobs"),
    [
        (None, False),
        ({}, False),
        ({"mode": None}, False),
        ({"mode": "direct"}, False),
        ({"mode": "slurm"}, True),
        ({"mode": "auto"}, True),
        ({"mode": ["slurm"]}, False),
    ],
)
def test_jobs_are_spread_over_nodes_where_they_are_steps_of_slurm(
    config: Any, *, spreads_jobs: bool
) -> None:
    answer = {"id": 1, "name": "w", "user": "ada", "execution_config": config}
    row = wire.parse(wire.WorkflowRow, answer, "/x")
    assert row.to_model(1, wire.WorkflowFlags()).spreads_jobs is spreads_jobs


@pytest.mark.parametrize(
    ("config", "lead"),
    [
        (None, None),
        ({"sigterm_lead_seconds": None}, None),
        ({"mode": "direct", "sigterm_lead_seconds": 5}, 5),
        ({"sigterm_lead_seconds": 0}, 0),
        ({"sigterm_lead_seconds": -1}, -1),  # Torc's server takes it
    ],
)
def test_lead_of_a_workflow_is_parsed(config: Any, lead: int | None) -> None:
    answer = {"id": 1, "name": "w", "user": "ada", "execution_config": config}
    row = wire.parse(wire.WorkflowRow, answer, "/workflows/1")
    assert row.to_model(1, row).sigterm_lead == lead


@pytest.mark.parametrize("wait", [None, 0, 90])
def test_wait_of_workers_for_jobs_is_parsed(wait: int | None) -> None:
    answer = {"id": 1, "name": "w", "user": "ada", "compute_node_wait_for_new_jobs_seconds": wait}
    row = wire.parse(wire.WorkflowRow, answer, "/workflows/1")
    assert row.to_model(1, row).wait_for_new_jobs == wait


def test_state_of_a_workflow_is_read_from_its_status_row() -> None:
    row = wire.parse(wire.WorkflowRow, {"id": 1, "name": "w", "user": "ada"}, "/workflows/1")
    status = wire.parse(
        wire.WorkflowStatusRow, {"run_id": 3, "is_canceled": True, "is_archived": None}, ""
    )
    assert row.to_model(status.run_id, status) == Workflow(
        id=1, name="w", user="ada", created="", run_id=3, is_canceled=True, is_archived=False
    )


def test_unknown_statuses_are_counted_together() -> None:
    answer = {"jobs_by_status": {"failed": 2, "suspended": 3, "frozen": 4}, "total_jobs": 9}
    counts = wire.parse(wire.JobCountsRow, answer, "/x").to_model()
    assert counts.by_status == {JobStatus.FAILED: 2, JobStatus.UNRECOGNIZED: 7}


@pytest.mark.parametrize(
    ("row", "answer", "field"),
    [
        (wire.JobRow, None, "the whole answer"),
        (wire.JobRow, [], "the whole answer"),
        (wire.JobRow, {**JOB, "id": "seven"}, "id"),
        (wire.JobRow, {"id": 7, "workflow_id": 1, "name": "a"}, "command"),
        (wire.ResultRow, {**RESULT, "exec_time_minutes": float("nan")}, "exec_time_minutes"),
        (wire.ResultRow, {**RESULT, "return_code": None}, "return_code"),
        (wire.CompleteRow, {"is_complete": "perhaps"}, "is_complete"),
        (wire.JobCountsRow, {"jobs_by_status": {"failed": "two"}}, "jobs_by_status.failed"),
        (wire.ClaimRow, {"jobs": [JOB, {**JOB, "name": 5}]}, "jobs.1.name"),
    ],
)
def test_invalid_answer_names_path_and_field(
    row: type[wire.WireRow], answer: Any, field: str
) -> None:
    with pytest.raises(ServerFault) as fault:
        wire.parse(row, answer, "/the/path")
    assert "/the/path" in str(fault.value)
    assert f": {field}: " in str(fault.value)


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"jobs": None}, {"jobs": [{"id": 1}]}, {"jobs": [{}, {"id": 2}]}]
)
def test_ids_of_created_objects_must_be_complete(answer: Any) -> None:
    with pytest.raises(ServerFault, match="/bulk_jobs"):
        wire.parse_ids(answer, "jobs", 2, "/bulk_jobs")
