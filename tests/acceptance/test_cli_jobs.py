"""jobs list and jobs logs: what jobs have written, while they run and later."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.rigs.json_shapes import assert_documented
from tests.rigs.specifications import PATIENT

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

MIXED = """
name: mixed
jobs:
  - { name: good, command: "seq 300; echo warned >&2" }
  - { name: bad, command: "printf 'a\\\\033[31m'; echo broken >&2; exit 9" }
  - { name: after, command: "true", depends_on: [bad] }
"""


def output_of(site: "Site", job_id: int, stream: str) -> Path:
    return site.output / f"job_stdio/job_wf1_j{job_id}_r1_a1.{stream}"


def shown(site: "Site", *words: str, status: int = 0) -> Any:
    ended = site.run("jobs", *words, "--json")
    assert ended.returncode == status, ended.stderr
    values = json.loads(ended.stdout)
    assert_documented(f"jobs {words[0]}", values)
    return values


def test_jobs_are_listed_and_their_output_is_shown(site: "Site") -> None:
    site.serve()
    site.submit(MIXED)
    site.run("watch", "1", "-p", "1")

    head, good, bad, after = site.run("jobs", "list", "1").stdout.splitlines()
    assert head.split() == ["ID", "NAME", "STATUS", "CODE", "RUN", "TIME", "MEMORY", "NODE"]
    assert good.split()[:5] == ["1", "good", "completed", "0", "1.1"]
    assert bad.split()[:5] == ["2", "bad", "failed", "9", "1.1"]
    assert after.split()[:3] == ["3", "after", "canceled"]
    listed = shown(site, "list", "1", "--status", "failed", "-s", "completed")
    assert [(job["id"], job["return_code"]) for job in listed["jobs"]] == [(1, 0), (2, 9)]
    none = site.run("jobs", "list", "1", "--status", "ready")
    assert none.stdout == "Workflow 1 has no job that is ready.\n"

    told = site.run("jobs", "logs", "1", "-n", "2")
    assert told.stdout == (
        f"==> {output_of(site, 1, 'o')} <==\n299\n300\n"
        f"\n==> {output_of(site, 1, 'e')} <==\nwarned\n"
    )
    assert "all of it with --all" in told.stderr
    assert len(site.run("jobs", "logs", "1").stdout.splitlines()) == 204
    assert len(site.run("jobs", "logs", "1", "--all").stdout.splitlines()) == 304
    told = site.run("jobs", "logs", "2", "--stderr")
    assert (told.stdout, told.stderr) == ("broken\n", f"==> {output_of(site, 2, 'e')} <==\n")

    values = shown(site, "logs", "2", "--slurm")
    texts = {each["kind"]: each["text"] for each in values["files"]}
    assert (texts["stdout"], texts["stderr"]) == ("a\x1b[31m", "broken\n")
    assert (values["missing"], values["status"]) == (None, "failed")


def test_output_that_is_not_there(site: "Site") -> None:
    site.serve()
    site.submit(MIXED)
    site.run("watch", "1", "-p", "1")

    never = site.run("jobs", "logs", "3")
    assert never.returncode == 2
    assert "job 3 (after), run 1, attempt 1: it never ran: it is canceled. Looked" in never.stderr
    moved = site.folder / "moved/job_stdio"
    moved.mkdir(parents=True)
    for stream in "oe":
        path = output_of(site, 1, stream)
        path.rename(moved / path.name)
    gone = site.run("jobs", "logs", "1")
    assert gone.returncode == 2
    assert "it was deleted, or its runner has another output folder: give" in gone.stderr
    assert f"\n  {site.output}/job_stdio\n" in gone.stderr
    assert gone.stderr.endswith(f"is there: -o {moved.parent}\n")
    assert site.run("jobs", "logs", "1", "--stderr", "-o", "moved").stdout == "warned\n"
    values = shown(site, "logs", "1", status=2)
    assert (values["files"], "deleted" in values["missing"]) == ([], True)

    os.mkfifo(output_of(site, 1, "o"))
    odd = site.run("jobs", "logs", "1")
    assert odd.returncode == 2
    assert f"{output_of(site, 1, 'o')} cannot be read: It is no regular file." in odd.stderr
    unknown = site.run("jobs", "logs", "99")
    assert unknown.returncode == 2
    assert "There is no job 99 on " in unknown.stderr
    assert site.run("jobs", "logs", "1", "--run", "2").returncode == 2
    assert site.run("jobs", "list", "99").returncode == 2


def test_job_is_followed_until_it_is_over(site: "Site") -> None:
    site.serve()
    site.hold()
    site.submit(PATIENT.replace("exit", "echo done >&2; exit").replace("echo >", "echo up; echo >"))
    site.wait_for_job()
    follower = site.start("jobs", "logs", "1", "--follow")
    follower.until("up")
    site.end_job(3)
    assert follower.end() == 0
    assert f"==> {output_of(site, 1, 'e')} <==\ndone\n" in follower.output
    assert follower.output.endswith("Job 1 (patient) is failed.\n")


def test_server_that_is_away(site: "Site") -> None:
    assert site.run("jobs", "list", "1").returncode == 5
    assert site.run("jobs", "logs", "1").returncode == 5
