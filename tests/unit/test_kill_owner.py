"""Whose process it was that the kernel killed for its memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.core.allocation import StepEnd
from torc_watch.core.kill_owner import KillSuspect, kills_by_job
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import Job, JobResult, JobStatus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def kill(step: str, process: str = "python3", *, seconds: float | None = 0) -> MemoryKill:
    at = None if seconds is None else NOON + timedelta(seconds=seconds)
    return MemoryKill(step=step, pid=4711, process=process, line="", file="", at=at)


def suspect(
    job_id: int,
    *,
    command: str = "python3 train.py",
    return_code: int = 137,
    step: str | None = None,
    pids: Sequence[int] = (),
    ended: float = 5,
) -> KillSuspect:
    job = Job(
        id=job_id,
        name=f"train_{job_id}",
        command=command,
        status=JobStatus.FAILED,
        requirements_id=1,
        attempt=1,
    )
    result = JobResult(
        job_id=job_id,
        run_id=1,
        attempt=1,
        status=JobStatus.FAILED,
        return_code=return_code,
        exec_seconds=100,
        peak_memory=None,
        compute_node_id=1,
        completed=NOON + timedelta(seconds=ended),
    )
    end = StepEnd(
        cause=None,
        return_code=0,
        id=step or "",
        began=NOON - timedelta(seconds=95),
        ended=NOON + timedelta(seconds=ended),
    )
    return KillSuspect(job=job, result=result, step=end if step else None, pids=frozenset(pids))


@pytest.mark.parametrize(
    ("killed", "suspects", "expected"),
    [
        pytest.param(
            kill("7.3"), [suspect(1, step="7.3"), suspect(2, step="7.4")], {1: True}, id="its step"
        ),
        pytest.param(
            kill("7.3"),
            [suspect(1, step="7.3", return_code=1)],
            {1: False},
            id="its step, of which it was not killed",
        ),
        pytest.param(
            kill("7.3"),
            [suspect(1, step="7.3", return_code=1, pids=[4711])],
            {1: True},
            id="a process of its step that its output names",
        ),
        pytest.param(
            kill("7.3", seconds=20), [suspect(1, step="7.3")], {}, id="a step of the same number"
        ),
        pytest.param(
            kill("7.batch", seconds=-300),
            [suspect(1, return_code=1, pids=[4711])],
            {},
            id="a process of the same number",
        ),
        pytest.param(kill("7.9"), [suspect(1, step="7.3")], {}, id="another step"),
        pytest.param(
            kill("7.batch"),
            [suspect(1, return_code=1, pids=[4711]), suspect(2)],
            {1: True},
            id="its output names the process",
        ),
        pytest.param(kill("7.batch"), [suspect(1)], {1: True}, id="only one was killed then"),
        pytest.param(
            kill("7.batch"),
            [suspect(1), suspect(2, return_code=1)],
            {1: True},
            id="another failed by itself",
        ),
        pytest.param(
            kill("7.batch"), [suspect(1), suspect(2)], {1: False, 2: False}, id="either of two"
        ),
        pytest.param(
            kill("7.batch", "solver"), [suspect(1)], {1: False}, id="a process of another name"
        ),
        pytest.param(
            kill("7.batch", "python3.11-very"),
            [suspect(1, command="/usr/bin/python3.11-very-long x")],
            {1: True},
            id="a long name",
        ),
        pytest.param(kill("7.batch"), [suspect(1, return_code=1)], {}, id="it was not killed"),
        pytest.param(kill("7.batch", seconds=-156), [suspect(1)], {}, id="before it started"),
        pytest.param(kill("7.batch", seconds=66), [suspect(1)], {}, id="after it ended"),
        pytest.param(kill("7.batch", seconds=None), [suspect(1)], {1: True}, id="at no known time"),
    ],
)
def test_owner_of_a_killed_process(
    killed: MemoryKill, suspects: list[KillSuspect], expected: dict[int, bool]
) -> None:
    owners = kills_by_job([killed], suspects)
    assert {job_id: found.is_own for job_id, (found,) in owners.items()} == expected


def test_own_kills_come_first_and_are_few() -> None:
    kills = [kill("7.batch", "solver")] * 9 + [kill("7.batch")]
    found = kills_by_job(kills, [suspect(1)])[1]
    assert [each.is_own for each in found] == [True, False, False, False, False]
