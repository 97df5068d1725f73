"""News of a daemon, as its user gets it: while a server hangs, over a kill, in a single pass."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.rigs.commands import TIMEOUT
from tests.rigs.json_shapes import assert_documented
from tests.rigs.news_servers import silent_server

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site
    from tests.rigs.commands import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SECRET = "hunter2secret"  # noqa: S105 - a made-up one


@pytest.fixture
def told(failed: "Site") -> Path:
    """The file to which notify_command appends a line for each message."""
    path = failed.folder / "told"
    path.touch()
    script = failed.folder / "tell"
    script.write_text(f'#!/bin/sh\ncat >>"{path}"; echo >>"{path}"\n')
    script.chmod(0o755)
    configuration = failed.folder / "config/torc-watchd/config.toml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(f"notify_command = ['{script}']\npoll_interval = 1\n")
    return path


@pytest.fixture
def runtime(failed: "Site") -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield folder
        failed.end_everything()


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def messages(told: Path) -> list[Any]:
    return list(map(json.loads, told.read_text().splitlines()))


def test_news_arrives_once_while_a_server_hangs_and_over_a_kill(
    failed: "Site", told: Path, runtime: str
) -> None:
    with silent_server() as silent:
        variables = {
            "XDG_RUNTIME_DIR": runtime,
            "TORC_WATCHD_NOTIFY": f"json://127.0.0.1:{silent.port}/{SECRET}?rto=100",
        }

        def start_daemon() -> "Command":
            daemon = failed.start("run", **variables)
            daemon.until("This torc-watchd is active")
            return daemon

        daemon = start_daemon()
        added = failed.run("add", "1", "--auto-recover", "--max-retries", "2", **variables)
        assert added.returncode == 0, added.stderr
        daemon.until("notify_command: Workflow 1 (ordinary) succeeded")  # it is marked as sent
        daemon.kill()
        attempts = len(silent.taken)
        assert attempts == 1
        daemon = start_daemon()
        wait_until(lambda: len(silent.taken) > attempts)
        began = time.monotonic()
        assert daemon.interrupt() == 0
        assert time.monotonic() - began < 20

        kinds = [[each["kind"] for each in message["news"]] for message in messages(told)]
        assert kinds == [["retries"], ["success"]]
        listed = failed.run("notify", "list", "--json", **variables)
        values = json.loads(listed.stdout)
        assert_documented("notify list", values)
        states = {(each["channel"], each["kind"]): each["state"] for each in values["news"]}
        assert states == {
            ("notify_command", "retries"): "sent",
            ("notify_command", "success"): "sent",
            ("notify 1 (json)", "retries"): "waiting",
            ("notify 1 (json)", "success"): "waiting",
        }
        shown = [failed.run("config", "show", **variables), failed.run("notify", "list")]
        written = b"".join(failed.state().values()) + daemon.output.encode()
        assert SECRET.encode() not in written
        assert not any(SECRET in each.stdout + each.stderr for each in [*shown, listed])


def test_single_pass_sends_its_news_and_a_test_says_what_fails(
    failed: "Site", told: Path, runtime: str
) -> None:
    metrics = failed.folder / "torc.prom"
    variables = {"XDG_RUNTIME_DIR": runtime, "TORC_WATCHD_METRICS_FILE": str(metrics)}
    assert failed.run("add", "1", **variables).returncode == 0
    assert failed.run("run", "--once", **variables).returncode == 0
    (message,) = messages(told)
    assert message["news"][0]["subject"] == "Workflow 1 (ordinary) ended with failed jobs"
    assert "Job 2 (hungry)" in message["body"]
    assert 'torc_watch_active{user="tester"} 0.0' in metrics.read_text()

    tried = failed.run("notify", "test", "--json", TORC_WATCHD_NOTIFY=f"unknown://{SECRET}")
    assert tried.returncode == 15
    values = json.loads(tried.stdout)
    assert_documented("notify test", values)
    assert [each["sent"] for each in values["channels"]] == [False, True]
    assert SECRET not in tried.stdout + tried.stderr
    told.unlink()
    assert failed.run("notify", "test").stdout == "notify_command: sent\n"
    (test,) = messages(told)[0]["news"]
    assert test["subject"].startswith("Test from ")
    assert test["kind"] == "test", "a program that acts on success does nothing"
