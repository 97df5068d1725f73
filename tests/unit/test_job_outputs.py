"""What failed jobs have written, read from files that may be anything."""

import os
from pathlib import Path

import anyio
import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.job_output import output_names
from torc_watch.core.model import Job, JobResult, JobStatus
from torc_watch.engine import job_outputs
from torc_watch.engine.job_outputs import JobOutputs
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


@pytest.mark.parametrize("name", [ERRORS, COMBINED, STDOUT])
def test_any_of_its_files_has_the_clue(folder: Path, name: str) -> None:
    (folder / name).write_text("KeyError: 'x'\n")
    (clue,) = OUTPUTS.clues_of(folder, 42, job(), result())
    assert (clue.cause, clue.file) == (Cause.CODE, str(folder / name))


def test_what_is_no_text_has_no_clue(folder: Path) -> None:
    os.mkfifo(folder / ERRORS)
    (folder / COMBINED).symlink_to("/dev/zero")
    (folder / STDOUT).mkdir()
    assert OUTPUTS.clues_of(folder, 42, job(), result()) == ()
    assert OUTPUTS.clues_of(folder / "none", 42, job(), result()) == ()


def test_binary_output_is_searched_line_by_line(folder: Path) -> None:
    (folder / ERRORS).write_bytes(bytes(range(256)) * 100 + b"\nKeyError: 'x'\n\xff\xfe")
    (clue,) = OUTPUTS.clues_of(folder, 42, job(), result())
    assert clue.cause is Cause.CODE


async def test_file_system_that_hangs_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is kept."""
    released = anyio.Event()
    (folder / ERRORS).write_text("KeyError: 'x'\n")

    def read(path: Path) -> str | None:
        if "_j8_" in path.name:
            anyio.from_thread.run(released.wait)
        return path.read_text() if path.exists() else None

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    monkeypatch.setattr(job_outputs, "_MAX_SECONDS", 0.5)
    failures = [(job(), result()), (job(8), result(8))]
    written = await JobOutputs(own_rules).clues(folder, 42, failures)
    released.set()
    assert (list(written.by_job), written.unread) == ([7], 1)


async def test_output_of_a_storm_is_read_in_part(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_outputs, "_MAX_JOBS", 1)
    (folder / ERRORS).write_text("KeyError: 'x'\n")
    written = await OUTPUTS.clues(folder, 42, [(job(8), result(8)), (job(), result())])
    assert (dict(written.by_job), written.unread) == ({}, 0)


async def test_no_failure_loads_no_rule(folder: Path) -> None:
    def fail() -> tuple[()]:
        raise AssertionError

    assert not (await JobOutputs(fail).clues(folder, 42, [])).by_job
