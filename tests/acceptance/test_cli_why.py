"""why and rules: what failed jobs have written, for people and for scripts."""

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.rigs.json_shapes import assert_documented

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

BROKEN = """
name: broken
jobs:
  - name: "train_{i}"
    command: python3 -c 'import no_such_module_of_anybody'
    parameters: { i: "1:3" }
  - name: solver
    command: "echo 'solver: step 12 diverged' >&2; exit 9"
"""
RULES = """
[[rule]]
name = "diverged"
cause = "code"
pattern = '''solver: step \\d+ diverged'''
says = "the solver diverged"
remedy = "hand_over"
"""


def test_failures_are_explained_in_groups(site: "Site") -> None:
    site.serve()
    site.submit(BROKEN)
    site.run("watch", "1", "-p", "1")

    told = site.run("why", "1")
    assert told.returncode == 0, told.stderr
    assert (
        "4 jobs of workflow 1 failed, for 2 reasons:\n\nEnvironment (likely): 3 jobs\n"
        in told.stdout
    )
    assert "ModuleNotFoundError: No module named 'no_such_module_of_anybody'\n" in told.stdout
    assert "job_stdio/job_wf1_j" in told.stdout
    assert "\n  last error line: solver: step 12 diverged\n" in told.stdout

    one = json.loads(site.run("why", "1", "solver", "--json").stdout)
    assert [group["cause"] for group in one["failures"]] == ["unknown"]

    none = site.run("why", "1", "nobody")
    assert none.returncode == 2
    assert "Workflow 1 has no job nobody. See all failures with: torc-watchd" in none.stderr


BEHIND = """
name: behind
jobs:
  - { name: good, command: "true" }
  - { name: load_3, command: exit 9 }
  - { name: merge, command: "true", depends_on: [load_3] }
  - { name: plot, command: "true", depends_on: [merge] }
"""


def test_job_that_has_not_failed_itself(site: "Site") -> None:
    site.serve()
    site.submit(BEHIND)
    site.run("watch", "1", "-p", "1")

    told = site.run("why", "1", "plot")
    assert told.returncode == 0, told.stderr
    assert told.stdout == (
        "Job 4 (plot) was canceled because job 2 (load_3) failed. Why: torc-watchd why 1 2\n"
    )
    values = json.loads(site.run("why", "1", "good", "--json").stdout)
    assert_documented("why", values)
    assert (values["standing"], values["failures"]) == ("Job 1 (good) completed.", [])


def test_commands_say_who_would_run_jobs_again(site: "Site") -> None:
    """A user's round retries all alike, a watch one of them first."""
    site.serve()
    site.submit(BROKEN)
    site.run("watch", "1", "-p", "1")
    for command in ("plan", "status"):
        shown = site.run(command, "1").stdout
        assert "\ntorc-watchd recover 1 would:\n" in f"\n{shown}"
        assert "  Jobs 1 (train_1), 2 (train_2), 3 (train_3): environment (" in shown
    shown = site.run("why", "1").stdout
    assert "  torc-watchd recover 1 would run them again, unchanged\n" in shown

    assert site.run("add", "1", "-r", "-p", "1", "-o", str(site.output)).returncode == 0
    shown = site.run("status", "1").stdout
    assert "The next round of its watch would:\n" in shown
    assert "  Jobs 2 (train_2), 3 (train_3): not retried: " in shown
    shown = site.run("why", "1").stdout
    assert "  the next round of its watch would not run them again (job 1, which failed " in shown


def test_storm_costs_one_retry(site: "Site") -> None:
    site.serve()
    site.submit(BROKEN)
    watched = site.run("watch", "1", "-r", "-p", "1", "-m", "2")
    assert watched.returncode == 3
    assert "(train_1): environment (a Python module is missing: " in watched.stdout
    assert (
        "Jobs 2 (train_2), 3 (train_3): not retried: a Python module is missing: " in watched.stdout
    )
    assert site.rows("SELECT count(*) FROM result WHERE run_id = 2") == [2]  # and the unknown one


def test_rules_of_a_user_count_before_others(site: "Site") -> None:
    site.serve()
    site.submit(BROKEN)
    folder = site.folder / "config" / "torc-watchd"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.toml").write_text(RULES)
    site.run("watch", "1", "-p", "1")

    (output,) = (site.output / "job_stdio").glob("job_wf1_j4_*.e")
    tested = site.run("rules", "test", folder / "rules.toml", output)
    assert tested.returncode == 0, tested.stderr
    assert tested.stdout.splitlines()[1:] == [
        "* diverged (code): solver: step 12 diverged",
        "The line with * counts.",
    ]
    told = site.run("why", "1", "solver")
    assert "the solver diverged: solver: step 12 diverged" in told.stdout
    tested = site.run("rules", "test", folder / "rules.toml", output, __file__)
    assert f"* diverged (code): solver: step 12 diverged ({output})\n" in tested.stdout
    yours, other, *_ = site.run("rules", "list").stdout.splitlines()
    assert yours.split() == ["diverged", "code", "yours", "the", "solver", "diverged"]
    assert "yours" not in other
    listed = json.loads(site.run("rules", "list", "--json").stdout)
    assert_documented("rules list", listed)
    files = [rule["file"] for rule in listed["rules"]]
    assert (files[0], files[1]) == (str(folder / "rules.toml"), None)


def test_rules_that_cannot_be_used_are_refused_at_once(site: "Site") -> None:
    folder = site.folder / "config" / "torc-watchd"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.toml").write_text(RULES.replace('"code"', '"cod"'))
    for words in (["rules", "list"], ["rules", "test", folder / "rules.toml"], ["run", "--once"]):
        refused = site.run(*words)
        assert refused.returncode == 2
        assert "rule diverged: cod is no cause: oom, " in refused.stderr
        assert "Traceback" not in refused.stderr


SLOW = """
[[rule]]
name = "slow"
cause = "code"
pattern = '.*[ab].{220}c'
says = "it is slow"
"""
CHATTY = """
name: chatty
jobs:
  - name: "train_{i}"
    command: >-
      python3 -c 'import random, sys;
      sys.stderr.write("".join(random.choices("abxyz", k=90000)) + chr(10)); sys.exit(1)'
    parameters: { i: "1:30" }
"""


def test_plan_says_what_was_not_read_in_time(site: "Site") -> None:
    """A search goes on while the process ends, which is no crash."""
    folder = site.folder / "config" / "torc-watchd"
    folder.mkdir(parents=True, exist_ok=True)
    site.serve()
    site.submit(CHATTY)
    site.run("watch", "1", "-p", "1")
    (folder / "rules.toml").write_text(SLOW)

    planned = site.run("plan", "1")
    assert planned.returncode in (0, 1), planned.stderr
    assert "jobs wrote was not read in time, and may change the plan: " in planned.stdout
    assert planned.stderr == "" or "Waiting for" in planned.stderr


def test_fifo_instead_of_rules_is_refused_at_once(site: "Site") -> None:
    folder = site.folder / "config" / "torc-watchd"
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / "rules.toml")
    for words in (["rules", "list"], ["rules", "test", folder / "rules.toml"], ["run", "--once"]):
        refused = site.run(*words)
        assert refused.returncode == 8
        assert "rules.toml cannot be read: It is no regular file." in refused.stderr
