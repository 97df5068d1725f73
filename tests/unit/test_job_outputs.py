"""What failed jobs have written, read from files that may be anything."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue
from torc_watch.core.job_output import output_names
from torc_watch.core.model import Job, JobResult, JobStatus
from torc_watch.engine import job_outputs
from torc_watch.engine.job_outputs import JobOutputs, OutputReader
from torc_watch.failures.rule_file import own_rules

OUTPUTS = JobOutputs(own_rules)
ERRORS, COMBINED, STDOUT = output_names(workflow_id=42, job_id=7, run_id=2, attempt=1)


def job(job_id: int = 7) -> Job:
    return Job(
        id=job_id,
        name="train",
        command="true",
        status=JobStatus.FAILED,
        requirements_id=None,
        attempt=9,
    )


def result(job_id: int = 7) -> JobResult:
    return JobResult(
        job_id=job_id,
        run_id=2,
        attempt=1,
        status=JobStatus.FAILED,
        return_code=1,
        exec_seconds=1.0,
        peak_memory=None,
        compute_node_id=None,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job_stdio").mkdir()
    return tmp_path


async def clues_in(*folders: Path) -> tuple[Clue, ...]:
    return (await OUTPUTS.clues(folders, 42, [(job(), result())])).by_job.get(7, ())


@pytest.mark.parametrize("name", [ERRORS, COMBINED, STDOUT])
async def test_any_of_its_files_has_the_clue(folder: Path, name: str) -> None:
    (folder / name).write_text("KeyError: 'x'\n")
    (clue,) = await clues_in(folder)
    assert (clue.cause, clue.file) == (Cause.CODE, str(folder / name))


async def test_what_is_no_text_has_no_clue(folder: Path) -> None:
    os.mkfifo(folder / ERRORS)
    (folder / COMBINED).symlink_to("/dev/zero")
    (folder / STDOUT).mkdir()
    assert await clues_in(folder) == ()
    assert await clues_in(folder / "none") == ()


async def test_binary_output_is_searched_line_by_line(folder: Path) -> None:
    (folder / ERRORS).write_bytes(bytes(range(256)) * 100 + b"\nKeyError: 'x'\n\xff\xfe")
    (clue,) = await clues_in(folder)
    assert clue.cause is Cause.CODE


async def test_first_folder_with_its_output_counts(folder: Path) -> None:
    (folder / ERRORS).write_text("KeyError: 'x'\n")
    (clue,) = await clues_in(folder / "none", folder)
    assert clue.file == str(folder / ERRORS)


async def test_file_system_that_hangs_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is kept, and no other thread is begun while one hangs."""
    released = threading.Event()
    (folder / ERRORS).write_text("KeyError: 'x'\n")

    def read(path: Path) -> str | None:
        if "_j8_" in path.name:
            released.wait()
        return path.read_text() if path.exists() else None

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    outputs = JobOutputs(own_rules, OutputReader(max_seconds=0.5))
    failures = [(job(), result()), (job(8), result(8))]
    try:
        first = await outputs.clues([folder], 42, failures)
        second = await outputs.clues([folder], 42, failures)
    finally:
        released.set()
    assert (list(first.by_job), first.unread) == ([7], 1)
    assert (list(second.by_job), second.unread) == ([], 2)


async def test_outputs_of_two_workflows_are_read_at_the_same_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ERRORS).write_text("KeyError: 'x'\n")
    both = threading.Barrier(2, timeout=10)

    def read(path: Path) -> str | None:
        if path.name.endswith(".e"):
            both.wait()
        return path.read_text() if path.exists() else None

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    found = await asyncio.gather(
        *[OUTPUTS.clues([folder], 42, [(job(), result())]) for _ in range(2)]
    )
    assert [list(each.by_job) for each in found] == [[7], [7]]


async def test_no_failure_loads_no_rule(folder: Path) -> None:
    def fail() -> tuple[()]:
        raise AssertionError

    assert not (await JobOutputs(fail).clues([folder], 42, [])).by_job
