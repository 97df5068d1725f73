"""A workflow that is added to a daemon, from its failure to its recovery, as its user sees it."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.rigs.json_shapes import assert_documented

if TYPE_CHECKING:
    from tests.acceptance.conftest import Barrier, Proxy, Site
    from tests.rigs.commands import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ACTS = "This torc-watchd is active"
HOOK = "echo hook of workflow $1; until [ -e go ]; do sleep 0.1; done"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where commands are given to a daemon; sockets need a short path."""

    site: "Site"
    runtime: str

    def start(self, *words: str) -> "Command":
        return self.site.start(*words, XDG_RUNTIME_DIR=self.runtime)

    def run(self, *words: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        ended = self.site.run(*words, XDG_RUNTIME_DIR=self.runtime)
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended

    def values(self, *words: str) -> Any:
        values = json.loads(self.run(*words, "--json").stdout)
        assert_documented(words[0], values)
        return values

    def wait_for(self, text: str) -> None:
        """Until it is published, which is what other commands read and comes after the socket."""
        nowhere = str(self.site.folder / "nowhere")
        shown = self.site.start("list", "--watch", "--json", XDG_RUNTIME_DIR=nowhere)
        assert_documented("list --watch", json.loads(shown.until(text)))
        assert shown.interrupt() == 130


@pytest.fixture
def desk(failed: "Site") -> Iterator[Desk]:
    with TemporaryDirectory() as runtime:
        yield Desk(failed, runtime)
        failed.end_everything()


def test_from_failure_to_recovery(desk: Desk) -> None:
    daemon = desk.start("run")
    daemon.until(ACTS)

    unknown = desk.run("add", "1", "7", status=2)
    assert "There is no workflow 7 on " in unknown.stderr
    assert "so nothing was added" in unknown.stderr
    added = desk.run("add", "1", "--auto-recover", "--poll-interval", "1")
    assert added.stdout.startswith("Workflow 1 added (http")
    desk.wait_for('"verdict": "succeeded"')

    listed = desk.run("list").stdout
    assert " 1  ordinary  succeeded  4/4   0       1/3    " in listed
    history = desk.values("history", "1")
    assert [each["outcome"] for each in history["watches"][-1]["rounds"]] == ["resubmitted"]
    assert desk.values("list")["workflows"][0]["verdict"] == "succeeded"
    assert desk.values("workflows")["workflows"][0]["watched"] == "succeeded"
    told = desk.run("history", "1").stdout
    assert "Job 2 (hungry): OOM detected, increasing memory 64m -> 96m" in told
    logged = desk.run("logs", "1").stdout
    assert "[1] Attempting automatic recovery (attempt 1/3)" in logged
    for line in desk.run("logs", "1", "--json").stdout.splitlines():
        assert json.loads(line)["workflow_id"] == 1
    status = desk.run("status", "1").stdout
    assert "Jobs: completed=4" in status
    assert "Every job of workflow 1 is completed" in status

    following = desk.start("logs", "-f", "1")
    following.until("Ended: succeeded.")
    desk.run("remove", "1")
    following.until("[1] remove: done.")
    assert following.interrupt() == 130
    assert daemon.interrupt() == 0


def test_list_and_status_while_daemon_and_server_are_down(desk: Desk) -> None:
    desk.run("add", "1")
    assert "was added" in desk.run("status", "1").stdout
    daemon = desk.start("run")
    daemon.until(ACTS)
    desk.wait_for('"verdict": "failed"')

    (before,) = desk.values("status", "1")["workflows"]
    shown = desk.run("status", "1").stdout
    assert before["live"]["counts"]["failed"] == 2
    assert {each["cause"] for each in before["live"]["failures"]} == {"oom", "unknown"}
    assert before["live"]["plan"]["number"] == 1
    assert "Job 3 (flaky): unknown failure, " in shown
    assert f"    {desk.site.output}/job_stdio/job_wf1_j3_r1_a1.e (empty)" in shown
    assert desk.values("plan", "1")["plan"]["number"] == 1
    assert "torc-watchd recover 1 would:" in shown

    daemon.interrupt()
    assert desk.site.server is not None
    desk.site.server.kill()
    text = desk.run("status", "1", status=5)
    assert "failed" in text.stdout
    assert "The output shows what the daemon knew last." in text.stderr
    away = json.loads(desk.run("status", "1", "--json", status=5).stdout)
    assert_documented("status", away)
    (workflow,) = away["workflows"]
    assert workflow["live"] is None
    assert workflow["view"]["verdict"] == "failed"
    assert away["trouble"].startswith("The daemon is not running")


def test_status_does_not_count_a_round_that_a_kill_interrupted(desk: Desk) -> None:
    """The next daemon continues that round: it is not the second of one that is allowed."""
    (desk.site.folder / "hook").write_text(HOOK)
    desk.run("add", "1", "-r", "--max-retries", "1", "--recovery-hook", "sh hook")
    daemon = desk.start("run")
    daemon.until("hook of workflow 1")
    daemon.kill()

    shown = desk.run("status", "1").stdout
    (desk.site.folder / "go").touch()

    assert "Round 1, after run 1: in progress at step 'hook'" in shown
    assert "The next round of its watch would:" in shown


def test_configuration_is_reloaded_by_sighup(desk: Desk) -> None:
    config = desk.site.folder / "config/torc-watchd/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("auto_recover = true\nmax_retries = 7\npoll_interval = 1\n")
    daemon = desk.start("run")
    daemon.until(ACTS)
    desk.run("add", "1")
    desk.wait_for('"max_retries": 7')
    desk.wait_for('"verdict": "succeeded"')
    assert Path(desk.site.folder / "output").is_dir()

    config.write_text("auto_recover = true\nmax_retrys = 9\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until("The configuration was not reloaded: ")
    config.write_text("auto_recover = true\nmax_retries = 9\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until("The configuration was reloaded.")
    desk.run("add", "1")
    desk.wait_for('"max_retries": 9')


def test_repeated_signal_of_one_ctrl_c_is_ignored(desk: Desk) -> None:
    daemon = desk.start("run")
    daemon.until(ACTS)
    # It gets both at once: after the first alone, it may be gone before the second comes.
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        daemon.process.send_signal(number)

    assert daemon.end() == 0
    _, stopping, *rest = daemon.printed
    assert "after the rounds in progress." in stopping
    assert not rest


def test_stop_waits_for_the_round_and_a_second_one_does_not(
    desk: Desk, make_proxy: "Callable[[str], Proxy]", make_barrier: "Callable[..., Barrier]"
) -> None:
    proxy = make_proxy(desk.site.url)
    barrier = make_barrier(proxy)
    desk.run("add", "1", "--auto-recover", "--url", proxy.url)
    daemon = desk.start("run")
    barrier.wait()
    daemon.process.send_signal(signal.SIGTERM)
    daemon.until("after the rounds in progress.")

    with pytest.raises(subprocess.TimeoutExpired):
        daemon.process.wait(1.5)

    assert daemon.interrupt() == 130
    assert daemon.printed[-1] == "torc-watchd: interrupted.\n"
    assert "Traceback" not in daemon.output
