"""The environment in which the built-in runner starts a job."""

from pathlib import Path
from typing import Any

from torc_watch.sandbox.runner.job import JobLaunch, job_environment


def launch(**changes: Any) -> JobLaunch:
    fields: dict[str, Any] = {
        "workflow_id": 7,
        "job_id": 3,
        "run_id": 2,
        "attempt": 4,
        "name": "a job",
        "command": "true",
        "output_dir": Path("/out"),
        "api_url": "http://server",
        "memory_limit": None,
        "runtime_limit": None,
    }
    return JobLaunch(**fields | changes)


def test_variables_of_the_job_replace_inherited_ones() -> None:
    found = job_environment(launch(env={"A": "job", "B": "1"}), {"A": "machine", "C": "2"})
    assert {name: found[name] for name in "ABC"} == {"A": "job", "B": "1", "C": "2"}


def test_torcs_own_variables_replace_those_of_the_job() -> None:
    found = job_environment(launch(env={"TORC_JOB_ID": "99", "TORC_RUN_ID": "99"}), {})
    assert found == {
        "TORC_WORKFLOW_ID": "7",
        "TORC_RUN_ID": "2",
        "TORC_JOB_ID": "3",
        "TORC_JOB_NAME": "a job",
        "TORC_OUTPUT_DIR": "/out",
        "TORC_ATTEMPT_ID": "4",
        "TORC_API_URL": "http://server",
    }


def test_job_learns_where_its_workflow_was_submitted() -> None:
    found = job_environment(launch(submission_directory="/home/ada"), {})
    assert found["TORC_WORKFLOW_SUBMISSION_DIR"] == "/home/ada"


def test_password_is_not_inherited_but_may_be_given() -> None:
    inherited = {"TORC_PASSWORD": "secret"}
    assert "TORC_PASSWORD" not in job_environment(launch(), inherited)
    given = job_environment(launch(env={"TORC_PASSWORD": "theirs"}), inherited)
    assert "theirs" in given.values()
