from pathlib import Path

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.diagnosis import Finding
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.recovery_round import Skip
from torc_watch.engine.diagnoser import failed_jobs
from torc_watch.engine.messages import WatchRequest


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


def request(output_dir: Path) -> WatchRequest:
    return WatchRequest(
        workflow_id=42,
        recovery=None,
        poll_interval=1,
        show_job_counts=False,
        output_dir=output_dir,
    )


@pytest.mark.parametrize(
    ("printed", "last_line"),
    [
        (b"Traceback\nValueError: no data  \n\n", "ValueError: no data"),
        (b"", None),
        (b"\n \n", None),
        (b"\xff\xfe broken\n", "\ufffd\ufffd broken"),
        (b"x" * 100_000 + b"\nthe end", "the end"),
    ],
)
def test_last_error_line_of_a_job(tmp_path: Path, printed: bytes, last_line: str | None) -> None:
    errors = tmp_path / "job_stdio" / "job_wf42_j7_r2_a3.e"
    errors.parent.mkdir()
    errors.write_bytes(printed)
    (failed,) = failed_jobs([finding(7)], request(tmp_path))
    assert (failed.errors, failed.last_words) == (str(errors), last_line)


def test_job_whose_output_cannot_be_read_has_no_error_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    (failed,) = failed_jobs([finding(7)], request(tmp_path))
    assert (failed.errors, failed.last_words) == (None, None)


def test_job_without_an_output_file_has_no_error_line(tmp_path: Path) -> None:
    shown = failed_jobs([finding(7), finding(8, run_id=None)], request(tmp_path))
    assert [(each.errors, each.last_words) for each in shown] == [(None, None)] * 2


def test_reason_to_skip_a_job_replaces_the_reason_of_its_failure(tmp_path: Path) -> None:
    left = Skip(
        job_id=7, job_name="train", cause=Cause.OOM, reason="too large", restarts_anyway=False
    )
    shown = failed_jobs([finding(7), finding(8)], request(tmp_path), [left])
    assert [each.reason for each in shown] == ["too large", "exit code 1"]


def test_at_most_fifty_failed_jobs_are_shown(tmp_path: Path) -> None:
    assert len(failed_jobs([finding(n) for n in range(1000)], request(tmp_path))) == 50
