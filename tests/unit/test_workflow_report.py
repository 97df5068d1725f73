"""The options of a watch, as `status` shows them."""

from dataclasses import replace
from pathlib import Path

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.events import FailedJob
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobCounts, JobStatus
from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.workflow_report import (
    live_text,
    live_values,
    missing_output_text,
    options_text,
)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (WatchOptions(), "Options: as configured."),
        (
            WatchOptions(
                auto_recover=True, max_retries=5, memory_multiplier=2.0, poll_interval=1e6
            ),
            "--auto-recover --max-retries 5 --memory-multiplier 2 --poll-interval 1000000",
        ),
        (
            WatchOptions(auto_recover=False, retry_unknown=False),
            "--no-auto-recover --no-retry-unknown",
        ),
        (WatchOptions(output_dir="/scratch/a b"), "--output-dir '/scratch/a b'"),
        (WatchOptions(recovery_hook=("notify", "-v")), "--recovery-hook 'notify -v'"),
    ],
)
def test_options_are_shown_as_command_line_options(options: WatchOptions, words: str) -> None:
    text = options_text(options)
    assert words in text
    assert text.endswith("as configured.")


def finding(job_id: int) -> Finding:
    job = Job(
        id=job_id,
        name="train",
        command="",
        status=JobStatus.FAILED,
        requirements_id=None,
        attempt=1,
    )
    return Finding(job=job, cause=Cause.UNKNOWN, reason="exit code 3", requirements=None)


def different(job_id: int) -> Finding:
    return replace(finding(job_id), reason=f"exit code {job_id}")


def written(job_id: int, errors: str | None, last_words: str | None) -> FailedJob:
    return FailedJob(
        job_id=job_id, job_name="train", reason="", errors=errors, last_words=last_words
    )


def test_failed_jobs_have_their_error_file_and_its_last_line() -> None:
    errors = [
        written(1, "/out/1.e", "KeyError: \x1b[31m'a'"),
        written(2, "/out/2.e", None),
        written(3, None, None),
    ]
    shown = live_text(
        JobCounts({JobStatus.FAILED: 3}), (), [different(number) for number in (1, 2, 3, 4)], errors
    )
    assert list(shown) == [
        "Jobs: failed=3",
        "No open allocation.",
        "Failed: 4 jobs",
        "  Job 1 (train): unknown failure, exit code 1",
        "    /out/1.e: KeyError: \\x1b[31m'a'",
        "  Job 2 (train): unknown failure, exit code 2",
        "    /out/2.e (empty)",
        "  Job 3 (train): unknown failure, exit code 3",
        "  Job 4 (train): unknown failure, exit code 4",
    ]


def test_jobs_that_failed_for_the_same_reason_share_a_line() -> None:
    errors = [written(1, None, None), *(written(number, f"/{number}.e", "x") for number in (2, 3))]
    *_, line, error = live_text(JobCounts({}), (), [*map(finding, range(1, 21))], errors)
    names = ", ".join(f"{number} (train)" for number in range(1, 6))
    assert line == f"  Jobs {names} and 15 more: unknown failure, exit code 3"
    assert error == "    /2.e: x"


def test_long_error_line_is_cut() -> None:
    errors = [written(1, "/out/1.e", "x" * 4096)]
    *_, line = live_text(JobCounts({}), (), [finding(1)], errors)
    assert line == f"    /out/1.e: {'x' * 199}…"


def test_more_failed_jobs_than_are_listed() -> None:
    findings = [different(number) for number in range(60)]
    errors = [written(number, f"/out/{number}.e", "no data") for number in range(50)]
    lines = list(live_text(JobCounts({}), (), findings, errors))
    assert lines[-2:] == [
        "    /out/49.e: no data",
        "  ... and 10 jobs more; the log lists all of them",
    ]


def test_folders_are_named_if_no_error_output_was_found() -> None:
    folders = (Path("/out"), Path("/torc_output"))
    assert list(missing_output_text([written(1, None, None)], folders)) == [
        "No error output of these jobs was found in /out or /torc_output."
    ]
    assert not list(missing_output_text([written(1, "/out/1.e", None)], folders))
    assert not list(missing_output_text([], folders))


def test_values_of_failures_have_the_error_output_too() -> None:
    values = live_values(
        JobCounts({}), (), [finding(1), finding(2)], [written(1, "/out/1.e", "no data")]
    )
    assert [(each["errors"], each["last_words"]) for each in values["failures"]] == [
        ("/out/1.e", "no data"),
        (None, None),
    ]
