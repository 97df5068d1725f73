"""Jobs that end with 0 and have not done their work: flagged, and run again on request."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rigs.json_shapes import assert_documented

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

# The first time the second of them writes nothing.
SIBLINGS = """
name: siblings
files:
  - { name: "table_{i}", path: "FOLDER/table_{i}.csv", parameters: { i: "1:4" } }
jobs:
  - name: "make_{i}"
    command: |
      if [ {i} = 2 ] && [ ! -e FOLDER/tried ]; then touch FOLDER/tried; : >FOLDER/table_{i}.csv
      else echo "1,2,3" >FOLDER/table_{i}.csv; fi
    output_files: ["table_{i}"]
    parameters: { i: "1:4" }
"""
# Nothing tells of the job that makes the table but the one that reads it.
CHAIN = """
name: chain
files:
  - { name: table, path: FOLDER/table.csv }
jobs:
  - name: make
    command: |
      if [ -e FOLDER/tried ]; then echo "1,2,3" >FOLDER/table.csv
      else touch FOLDER/tried; : >FOLDER/table.csv; fi
    output_files: [table]
  - name: plot
    command: |
      echo run >>FOLDER/plots
      [ -s FOLDER/table.csv ] || { echo "ValueError: the table is empty" >&2; exit 1; }
    input_files: [table]
"""
# The second deletes what nobody declares that it reads.
LOST = """
name: lost
files:
  - { name: table, path: FOLDER/table.csv }
  - { name: notes, path: FOLDER/notes.txt }
jobs:
  - { name: make, command: "echo 1 >FOLDER/table.csv", output_files: [table] }
  - { name: write, command: "echo 1 >FOLDER/notes.txt", output_files: [notes] }
  - { name: read, command: "cat FOLDER/notes.txt && rm FOLDER/notes.txt", input_files: [notes] }
  - { name: clean, command: "rm FOLDER/table.csv", depends_on: [make] }
"""


@pytest.fixture
def data(site: "Site") -> Path:
    folder = site.folder / "data"
    folder.mkdir()
    site.serve()
    return folder


def submit(site: "Site", specification: str, data: Path) -> None:
    site.submit(specification.replace("FOLDER", str(data)))


def test_empty_output_is_flagged_and_changes_no_verdict(site: "Site", data: Path) -> None:
    submit(site, SIBLINGS, data)
    watched = site.run("watch", "1", "-r", "-p", "1")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    reason = f"its output {data}/table_2.csv is empty, those of 3 jobs like it are not"
    assert f"Job 2 (make_2): {reason}\n" in watched.stdout
    assert watched.stdout.count("Attempting automatic recovery") == 0
    assert "✓ Workflow completed successfully (4 jobs)" in watched.stdout

    told = site.run("why", "1")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("No job of workflow 1 has failed.\n\nSuspect success: 1 job ")
    assert reason in told.stdout
    values = json.loads(site.run("why", "1", "make_2", "--json").stdout)
    assert_documented("why", values)
    assert [(each["kind"], each["reason"]) for each in values["suspects"]] == [
        ("output_empty", reason)
    ]
    assert "  To run it again: torc-watchd recover 1 --rerun-suspects\n" in told.stdout
    assert site.run("why", "1", "make_1").stdout == "Job 1 (make_1) completed.\n"

    planned = site.run("plan", "1")
    assert planned.returncode == 0
    assert "there is nothing to recover.\nNote: 1 suspect success: torc-watchd why 1\n" in (
        planned.stdout
    )
    assert "1 suspect success: torc-watchd why 1" in site.run("history", "1").stdout


def test_suspect_runs_again_once_where_the_user_says_so(site: "Site", data: Path) -> None:
    submit(site, SIBLINGS, data)
    site.run("watch", "1", "-p", "1")
    planned = site.run("plan", "1", "--rerun-suspects")
    assert "Job 2 (make_2): suspect success (its output " in planned.stdout
    assert site.rows("SELECT DISTINCT run_id FROM result") == [1]

    watched = site.run("watch", "1", "-r", "-p", "1", "--rerun-suspects")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert watched.stdout.count("Attempting automatic recovery") == 1
    assert "Suspect" not in watched.stdout.partition("Resuming monitoring...")[2]
    assert site.rows("SELECT job_id FROM result WHERE run_id = 2") == [2]
    assert (data / "table_2.csv").read_text() == "1,2,3\n"


def test_suspect_that_stays_suspect_ends_with_success(site: "Site", data: Path) -> None:
    submit(site, SIBLINGS.replace("touch FOLDER/tried", "true"), data)
    watched = site.run("watch", "1", "-r", "-p", "1", "--rerun-suspects")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert watched.stdout.count("Attempting automatic recovery") == 1
    assert site.rows("SELECT run_id FROM result WHERE job_id = 2") == [1, 2]
    assert watched.stdout.count("Suspect success: ") == 2
    assert site.journaled("SELECT verdict, reason FROM watch") == [
        ("succeeded", "1 suspect success: torc-watchd why 1")
    ]


def test_suspect_goes_before_the_job_that_failed_because_of_it(site: "Site", data: Path) -> None:
    submit(site, CHAIN, data)
    watched = site.run("watch", "1", "-r", "-p", "1", "--rerun-suspects")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "Job 1 (make): suspect success (its output " in watched.stdout
    assert "ValueError: the table is empty; its input comes from job 1 (make)" in watched.stdout
    assert site.rows("SELECT job_id FROM result WHERE run_id = 2 ORDER BY 1") == [1, 2]
    assert (data / "plots").read_text() == "run\nrun\n"


def test_without_the_option_the_job_behind_a_suspect_is_handed_over(
    site: "Site", data: Path
) -> None:
    submit(site, CHAIN, data)
    watched = site.run("watch", "1", "-r", "-p", "1")
    assert watched.returncode == 1
    assert (
        "its input comes from job 1 (make), whose success is suspect; job 1 does" in watched.stdout
    )
    assert "job 1 does not run again without --rerun-suspects" in watched.stdout
    assert (data / "plots").read_text() == "run\n"

    recovered = site.run("recover", "1", "--rerun-suspects")
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert site.run("watch", "1", "-p", "1").returncode == 0
    assert (data / "plots").read_text() == "run\nrun\n"


def test_missing_output_is_flagged_unless_it_was_used(site: "Site", data: Path) -> None:
    submit(site, LOST, data)
    watched = site.run("watch", "1", "-p", "1")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    found = [line for line in watched.stdout.splitlines() if "its output" in line]
    assert found == [f"  Job 1 (make): its output {data}/table.csv is not there any more"]


def test_configuration_and_daemon_know_the_option(site: "Site", data: Path) -> None:
    submit(site, SIBLINGS, data)
    options = ["-p", "1", "--auto-recover", "--rerun-suspects", "-o", str(site.output)]
    assert site.run("add", "1", *options).returncode == 0
    assert site.run("run", "--once").returncode == 0
    while site.run("status", "1", "--json").stdout.find('"verdict": "succeeded"') < 0:
        assert site.run("run", "--once").returncode == 0
    assert (data / "table_2.csv").read_text() == "1,2,3\n"
    assert "--rerun-suspects" in site.run("status", "1").stdout
    shown = json.loads(site.run("config", "show", "--json", TORC_WATCHD_RERUN_SUSPECTS="1").stdout)
    assert shown["settings"]["rerun_suspects"]["value"] is True
