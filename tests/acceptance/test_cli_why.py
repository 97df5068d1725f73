"""why and rules: what failed jobs have written, for people and for scripts."""

import json
import os
from typing import TYPE_CHECKING

import pytest

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

    one = json.loads(site.run("why", "1", "solver", "--json").stdout)
    assert [group["cause"] for group in one["failures"]] == ["unknown"]

    none = site.run("why", "1", "nobody")
    assert none.returncode == 2
    assert "Job nobody of workflow 1 has not failed" in none.stderr


def test_storm_costs_one_retry(site: "Site") -> None:
    site.serve()
    site.submit(BROKEN)
    watched = site.run("watch", "1", "-r", "-p", "1", "-m", "2")
    assert watched.returncode == 3
    assert "(train_1): environment (a Python module is missing: " in watched.stdout
    assert (
        "Job 2 (train_2), 3 (train_3): not retried: a Python module is missing: " in watched.stdout
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
    assert "diverged " in site.run("rules", "list").stdout


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
