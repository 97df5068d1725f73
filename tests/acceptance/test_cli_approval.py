"""A plan that waits for approval, with a real daemon that is killed meanwhile."""

import json
import signal
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.rigs.json_shapes import assert_documented

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WAITS = '"proposal": {"plan_id": "'


@pytest.fixture
def runtime(failed: "Site") -> Iterator[str]:
    """Sockets need a short path."""
    with TemporaryDirectory() as folder:
        yield folder
        failed.end_everything()


def values(site: "Site", *words: str) -> Any:
    ended = site.run(*words, "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads(ended.stdout)
    assert_documented(words[0], found)
    return found


def wait_for(site: "Site", text: str, runtime: str) -> None:
    shown = site.start("list", "--watch", "--json", XDG_RUNTIME_DIR=runtime)
    shown.until(text)
    shown.interrupt()


def test_approval_outlives_a_killed_daemon(failed: "Site", runtime: str) -> None:
    first = failed.start("run", XDG_RUNTIME_DIR=runtime)
    first.until("is active")
    added = failed.run("add", "1", "-r", "--approve", "-p", "1", XDG_RUNTIME_DIR=runtime)
    assert added.returncode == 0, added.stderr
    wait_for(failed, WAITS, runtime)
    (waiting,) = values(failed, "plans")["plans"]
    assert waiting["answer"] is None
    assert values(failed, "plan", "1", "--show")["plan_id"] == waiting["plan_id"]

    first.kill()
    assert failed.run("approve", "1", "--plan", "0" * 8).returncode == 14
    approved = values(failed, "approve", "1", "--plan", waiting["plan_id"])
    assert approved["is_new"]
    assert not values(failed, "approve", "1")["is_new"]
    assert failed.run("reject", "1").returncode == 2
    assert failed.rows("SELECT run_id FROM workflow_status") == [1]

    second = failed.start("run", XDG_RUNTIME_DIR=runtime)
    wait_for(failed, '"verdict": "succeeded"', runtime)
    assert failed.rows("SELECT run_id FROM workflow_status") == [2]
    assert second.interrupt(signal.SIGTERM) == 0
    assert failed.run("approve", "1").returncode == 2  # nothing waits any more
    (watch,) = values(failed, "history", "1")["watches"]
    assert [each["outcome"] for each in watch["proposals"]] == ["carried_out"]


def test_rejection_ends_a_watch_in_the_foreground(failed: "Site") -> None:
    watch = failed.start("watch", "1", "-r", "--approve", "-p", "1")
    watch.until("torc-watchd reject 1 --reason TEXT")
    refused = failed.run("recover", "1").stderr
    assert refused.endswith("Its plan waits for your approval: torc-watchd approve 1\n")
    rejected = failed.run("reject", "1", "--reason", "too large")
    assert rejected.returncode == 0, rejected.stderr
    watch.until("too large")
    assert watch.end() == 1
    assert failed.rows("SELECT run_id FROM workflow_status") == [1]
    assert "too large" in failed.run("history", "1", "--url", failed.url).stdout
    failed.end_everything()
