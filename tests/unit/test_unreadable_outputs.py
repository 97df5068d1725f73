"""Outputs of failed jobs that are huge, out of reach, or anything but text."""

import hashlib
import os
from pathlib import Path

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue
from torc_watch.core.job_output import output_names
from torc_watch.core.model import Job, JobResult, JobStatus
from torc_watch.engine import job_outputs
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.failures.rule_file import own_rules, parse_rules

NAMES = output_names(workflow_id=42, job_id=7, run_id=2, attempt=1)
ERRORS, STDOUT = NAMES[0], NAMES[-1]
GIB = 1024**3
KEY_ERROR = "\nTraceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'\n"
JOB = Job(
    id=7,
    name="train",
    command="true",
    status=JobStatus.FAILED,
    requirements_id=None,
    attempt=1,
)
RESULT = JobResult(
    job_id=7,
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


async def clues_in(folder: Path, outputs: JobOutputs | None = None) -> tuple[Clue, ...]:
    reading = outputs or JobOutputs(own_rules)
    return (await reading.clues([folder], 42, [(JOB, RESULT)])).by_job.get(7, ())


async def test_end_of_a_huge_output_is_searched(folder: Path) -> None:
    with (folder / ERRORS).open("wb") as file:
        file.truncate(5 * GIB)  # takes no space
        file.seek(0, os.SEEK_END)
        file.write(KEY_ERROR.encode())
    (clue,) = await clues_in(folder)
    assert (clue.cause, clue.line) == (Cause.CODE, "KeyError: 'x'")


async def test_huge_output_without_lines_has_no_clue(folder: Path) -> None:
    with (folder / ERRORS).open("wb") as file:
        file.truncate(5 * GIB)
    assert await clues_in(folder) == ()


async def test_error_after_megabytes_of_anything_is_found(folder: Path) -> None:
    noise = hashlib.shake_256(b"noise").digest(1 << 20)
    noise = noise.replace(b"\x1b", b"")  # an escape takes what follows it
    (folder / ERRORS).write_bytes(noise + KEY_ERROR.encode())
    assert Cause.CODE in {clue.cause for clue in await clues_in(folder)}


async def test_links_in_a_circle_have_no_clue(folder: Path) -> None:
    (folder / ERRORS).symlink_to(Path(ERRORS).name)
    assert await clues_in(folder) == ()
    (folder / STDOUT).write_text(KEY_ERROR)
    (clue,) = await clues_in(folder)
    assert clue.file == str(folder / STDOUT)


async def test_folder_that_is_no_folder_has_no_clue(tmp_path: Path) -> None:
    (tmp_path / "job_stdio").touch()
    assert await clues_in(tmp_path) == ()
    (tmp_path / "loop").symlink_to("loop")
    assert await clues_in(tmp_path / "loop") == ()


async def test_folder_without_permission_has_no_clue(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(job_outputs, "read_excerpt", refuse)
    assert await clues_in(folder) == ()


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param("(a+)+$", "a" * 60_000 + "b", id="nested repetition"),
        pytest.param("(a|aa)+$", "a" * 60_000 + "b", id="alternatives that overlap"),
        pytest.param("(.*)*(.*)*(.*)*x{9}", "a " * 30_000, id="anything, often"),
        pytest.param("(.*a){20}z", "a" * 60_000, id="repetition of anything"),
    ],
)
async def test_pattern_that_would_backtrack_for_ever_does_not(
    folder: Path, pattern: str, text: str
) -> None:
    (folder / ERRORS).write_text(text)
    rules = parse_rules(
        f"[[rule]]\nname = 'slow'\ncause = 'code'\nsays = 'it was slow'\npattern = '{pattern}'\n"
    )
    assert await clues_in(folder, JobOutputs(lambda: rules)) == ()
