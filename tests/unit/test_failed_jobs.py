import os
from pathlib import Path

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.events import FailedJob
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.recovery_round import Skip
from torc_watch.engine.error_output import error_folders, failed_jobs


def finding(job_id: int, *, run_id: int | None = 2) -> Finding:
    return Finding(
        job=Job(
            id=job_id,
            name="train",
            command="true",
            status=JobStatus.FAILED,
            requirements_id=None,
            attempt=3,
        ),
        cause=Cause.UNKNOWN,
        reason="exit code 1",
        requirements=None,
        run_id=run_id,
    )


def shown(findings: list[Finding], folder: Path, *skipped: Skip) -> tuple[FailedJob, ...]:
    return failed_jobs(findings, 42, error_folders(folder), skipped)


def write(folder: Path, printed: bytes, stream: str = "e") -> Path:
    path = folder / f"job_stdio/job_wf42_j7_r2_a3.{stream}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(printed)
    return path


@pytest.mark.parametrize(
    ("printed", "last_line"),
    [
        (b"Traceback\nValueError: no data  \n\n", "ValueError: no data"),
        (b"", None),
        (b"\n \n", None),
        (b"\xff\xfe broken\n", "\ufffd\ufffd broken"),
        (b"x" * 100_000 + b"\nthe end", "the end"),
        (b"9 errors\n" + b"x" * 100_000, "x" * 4096),  # without a line end: no more is read
        (b"10%\r99%\rout of disk\r", "out of disk"),
        (b"KeyError: 'a'\n}\n-----\n^^^\n", "KeyError: 'a'"),
        (b"-----\n}\n", "}"),
        (b"No data\nsrun: error: n1: task 0: Exited with exit code 1\n", "No data"),
        (b"srun: error: n1: task 0: Killed\n", "srun: error: n1: task 0: Killed"),
    ],
)
def test_last_error_line_of_a_job(tmp_path: Path, printed: bytes, last_line: str | None) -> None:
    errors = write(tmp_path, printed)
    (failed,) = shown([finding(7)], tmp_path)
    assert (failed.errors, failed.last_words) == (str(errors), last_line)


def test_job_whose_output_cannot_be_read_has_no_error_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    (failed,) = shown([finding(7)], tmp_path)
    assert (failed.errors, failed.last_words) == (None, None)


def test_job_without_an_output_file_has_no_error_line(tmp_path: Path) -> None:
    found = shown([finding(7), finding(8, run_id=None)], tmp_path)
    assert [(each.errors, each.last_words) for each in found] == [(None, None)] * 2


def test_reason_to_skip_a_job_replaces_the_reason_of_its_failure(tmp_path: Path) -> None:
    left = Skip(
        job_id=7, job_name="train", cause=Cause.OOM, reason="too large", restarts_anyway=False
    )
    found = shown([finding(7), finding(8)], tmp_path, left)
    assert [each.reason for each in found] == ["too large", "exit code 1"]


def test_at_most_fifty_failed_jobs_are_shown(tmp_path: Path) -> None:
    assert len(shown([finding(n) for n in range(1000)], tmp_path)) == 50


@pytest.mark.parametrize(
    ("place", "given"),
    [
        ("output", "output"),
        ("torc_output", "output"),  # the default of Torc's own runner
        ("submitted/torc_output", "elsewhere/output"),
        ("submitted/results", "elsewhere/results"),
    ],
)
def test_error_output_in_another_folder(tmp_path: Path, place: str, given: str) -> None:
    errors = write(tmp_path / place, b"No data")
    folders = error_folders(tmp_path / given, str(tmp_path / "submitted"))
    (failed,) = failed_jobs([finding(7)], 42, folders)
    assert (failed.errors, failed.last_words) == (str(errors), "No data")


@pytest.mark.parametrize("submitted_in", [None, "", "relative", "/with\0nul"])
def test_folder_that_a_server_names_is_used_only_if_it_is_one(
    tmp_path: Path, submitted_in: str | None
) -> None:
    assert error_folders(tmp_path / "output", submitted_in) == (
        tmp_path / "output",
        tmp_path / "torc_output",
    )


def test_streams_that_torc_combines_or_leaves_out(tmp_path: Path) -> None:
    """The error output counts first; where it says nothing, the job may say it elsewhere."""
    output = write(tmp_path, b"result 1\ngave up", stream="o")
    assert shown([finding(7)], tmp_path)[0].errors == str(output)
    combined = write(tmp_path, b"out\nerr", stream="log")
    assert shown([finding(7)], tmp_path)[0].errors == str(combined)
    errors = write(tmp_path, b"why", stream="e")
    assert shown([finding(7)], tmp_path)[0].errors == str(errors)
    write(tmp_path, b"", stream="e")
    assert shown([finding(7)], tmp_path)[0].last_words == "err"


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """To open a pipe that nobody writes to would wait for ever."""
    path = write(tmp_path, b"")
    path.unlink()
    os.mkfifo(path)
    assert shown([finding(7)], tmp_path)[0].errors is None
