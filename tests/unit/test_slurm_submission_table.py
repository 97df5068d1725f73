"""What sbatch, squeue and sacct print, and what is made of it."""

import pytest

from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.schedulers.slurm.submission_table import (
    NamedJobs,
    parse_ended_names,
    parse_held,
    parse_held_names,
    parse_queued_names,
    submitted_number,
)

_QUEUED = "JOBID|STATE|REASON|NAME\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42\n", 42),
        ("42;cluster1\n", 42),
        ("Welcome to 2026!\nyour quota: 99\n42\n", 42),
        ("7\nYour project has 3 hours left.\n", 7),
    ],
)
def test_number_of_a_submission_is_read(text: str, number: int) -> None:
    assert submitted_number(text) == number


@pytest.mark.parametrize("text", ["", "Submitted batch job 42\n", "x42\n"])
def test_submission_without_a_number_is_looked_up(text: str) -> None:
    with pytest.raises(SchedulerUnreachable, match="without a job number"):
        submitted_number(text)


def test_queued_job_of_a_name_is_found() -> None:
    """A name with separators stays whole; an array's job has no number of its own."""
    rows = "12|RUNNING|None|tw1-a-1\n30|PENDING|Priority|a|b\n5_[1-4]|PENDING|None|tw1-b-1\n"
    text = f"banner\n{_QUEUED}{rows}"
    assert parse_queued_names(text) == {"tw1-a-1": NamedJobs(12), "a|b": NamedJobs(30)}


def test_held_jobs_have_names() -> None:
    rows = (
        "5|PENDING|JobHeldUser|tw1-a-1\n6|PENDING|Priority|tw1-a-2\n7|RUNNING|None|tw1-a-3\n"
        "8|CANCELLED|JobHeldUser|tw1-a-4\n9|PENDING|JobHeldUser|a|b\n"
    )
    assert parse_held_names(f"banner\n{_QUEUED}{rows}") == {5: "tw1-a-1", 9: "a|b"}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (["5|PENDING|JobHeldUser", "6|PENDING|JobHeldUser"], NamedJobs(5, (6,))),
        (["6|PENDING|JobHeldUser", "5|PENDING|JobHeldUser"], NamedJobs(5, (6,))),
        (["5|PENDING|JobHeldUser", "6|RUNNING|None"], NamedJobs(6, (5,))),
        (["5|PENDING|JobHeldUser", "6|COMPLETED|None"], NamedJobs(6, (5,))),
        (["5|PENDING|JobHeldUser", "6|CANCELLED|None"], NamedJobs(5)),
        (["5|CANCELLED|None", "6|PENDING|JobHeldUser"], NamedJobs(6)),
        (["5|CANCELLED|None", "6|CANCELLED|None"], NamedJobs(5)),
    ],
)
def test_of_jobs_with_one_name_all_see_the_same_one(rows: list[str], found: NamedJobs) -> None:
    assert parse_queued_names(_QUEUED + "".join(f"{row}|tw1-a-1\n" for row in rows)) == {
        "tw1-a-1": found
    }


def test_steps_are_not_taken_for_jobs() -> None:
    text = "JobIDRaw|JobName\n12|tw1-a-1\n12.batch|batch\n12.0|wf1_j1_r1_a1\n"
    assert parse_ended_names(text) == {"tw1-a-1": 12}


@pytest.mark.parametrize("parse", [parse_queued_names, parse_ended_names, parse_held])
def test_answer_without_a_heading_is_no_answer(parse: object) -> None:
    with pytest.raises(SchedulerUnreachable, match="no heading"):
        parse("")  # type: ignore[operator]


def test_held_jobs_are_those_that_wait_for_their_release() -> None:
    text = (
        "JOBID|STATE|REASON\n1|PENDING|JobHeldUser\n2|PENDING|Priority\n3|RUNNING|None\n"
        "4|PENDING|JobHeldAdmin\n5|PENDING|ReqNodeNotAvail, Reserved for maintenance\n"
    )
    assert parse_held(text) == {1, 4}
