"""The jobs of a workflow as a table, and as values."""

import json
import tracemalloc

import pytest
from typer.testing import CliRunner

from tests.rigs.json_shapes import assert_documented
from torc_watch.cli import app
from torc_watch.cli.json_output import print_json_list
from torc_watch.core.listed_job import ListedJob
from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB, MIB
from torc_watch.render.job_list import job_list_lines, job_values

ENDED = ListedJob(
    id=12,
    name="train\x1b",
    status=JobStatus.FAILED,
    run_id=2,
    attempt=1,
    return_code=137,
    seconds=3700.4,
    peak_memory=3 * GIB // 2,
    node="n07",
)
READY = ListedJob(id=7, name="plot", status=JobStatus.READY)


def test_table() -> None:
    assert list(job_list_lines([READY, ENDED])) == [
        "ID  NAME       STATUS  CODE  RUN       TIME  MEMORY  NODE",
        " 7  plot       ready",
        "12  train\\x1b  failed   137  2.1  1 h 1 min    1.5g  n07",
    ]
    assert list(job_list_lines([])) == []


@pytest.mark.parametrize("jobs", [[], [READY], [READY, ENDED]])
def test_values(jobs: list[ListedJob], capsys: pytest.CaptureFixture[str]) -> None:
    print_json_list({"workflow_id": 4}, "jobs", map(job_values, jobs))
    values = json.loads(capsys.readouterr().out)
    assert_documented("jobs list", values)
    assert [each["id"] for each in values["jobs"]] == [job.id for job in jobs]


def test_table_of_many_jobs_is_not_kept() -> None:
    jobs = [ENDED] * 40_000
    tracemalloc.start()
    lines = sum(1 for _ in job_list_lines(jobs))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == 40_001
    assert peak < 8 * MIB


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("jobs list 4 --status bad", "'bad' is no status of jobs: give one of uninitialized, "),
        ("jobs list x", "'x' is not the ID of a workflow"),
        ("jobs logs x", "'x' is not the ID of a job: list those of a workflow with"),
        ("jobs logs 0", "'0' is not the ID of a job"),
        (f"jobs logs {'9' * 60}", "is not the ID of a job"),
        ("jobs logs 1 --attempt 0", "0 is too few: give at least 1."),
        ("jobs logs 1 --json --follow", "--json shows the last lines, without --follow and --all."),
    ],
)
def test_bad_input_is_refused(words: str, problem: str) -> None:
    ended = CliRunner().invoke(app, words.split(), env={"COLUMNS": "300"})
    assert ended.exit_code == 2
    assert problem in " ".join(ended.stderr.split())
