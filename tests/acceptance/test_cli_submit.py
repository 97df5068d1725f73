"""`submit`: what a specification says arrives at its jobs, or nothing is created."""

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

ENVIRONMENT = """
name: environment
env: { OF_ALL: all, OF_BOTH: workflow }
jobs:
  - name: job_{i}
    command: 'echo "$OF_ALL $OF_BOTH $TORC_JOB_NAME" >"$TORC_OUTPUT_DIR/$TORC_JOB_NAME"'
    env: { OF_BOTH: "job {i}", TORC_JOB_NAME: other }
    parameters: { i: "1:2" }
"""


def test_environment_arrives_at_the_jobs(site: "Site") -> None:
    site.serve()
    workflow_id = site.submit(ENVIRONMENT)
    assert site.run("watch", str(workflow_id), "-p", "1").returncode == 0
    written = {path.name: path.read_text() for path in site.output.glob("job_?")}
    assert written == {"job_1": "all job 1 job_1\n", "job_2": "all job 2 job_2\n"}


def test_environment_that_the_server_cannot_keep_starts_nothing(site: "Site") -> None:
    site.serve("--api", "0.12")
    path = site.folder / "workflow.yaml"
    path.write_text(ENVIRONMENT)
    submitted = site.run("submit", path)
    assert submitted.returncode == 2
    assert "The server runs Torc 0.12, which cannot keep environment variables" in submitted.stderr
    assert site.rows("SELECT id FROM workflow") == []
    assert not list(site.output.glob("job_*"))


def test_specification_comes_from_standard_input(site: "Site") -> None:
    site.serve()
    (site.folder / "spec").write_text('// JSON5\n{name: "w", jobs: [{name: "a", command: "true"}]}')
    command = f"{sys.executable} -m torc_watch submit - --allocations 0 --json <spec"
    submitted = site.start_program("sh", "-c", command)
    assert submitted.end() == 0, submitted.output
    assert json.loads(submitted.output)["jobs"] == 1


@pytest.mark.parametrize("pattern", ["[[a]", "[a&&b]", "(a+)+$"])
def test_patterns_are_answered_at_once_and_without_python_warnings(
    site: "Site", pattern: str
) -> None:
    path = site.folder / "workflow.json"
    jobs = [{"name": "a" * 50 + "!", "command": "x"}]
    jobs += [{"name": "b", "command": "x", "depends_on_regexes": [pattern]}]  # type: ignore[dict-item]
    path.write_text(json.dumps({"name": "w", "jobs": jobs}))
    submitted = site.run("submit", path)
    assert submitted.returncode == 2
    assert "Warning" not in submitted.stderr
    assert "jobs[1] (b).depends_on_regexes" in submitted.stderr
