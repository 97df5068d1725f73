"""The deployment scripts, with a fake daemon that only prints."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(60)

DEPLOY = Path(__file__).parents[2] / "deploy"
# Prints the signals it gets; ends with the status in the file `status`, or on SIGTERM.
DAEMON = """#!/bin/sh
trap 'echo reloading' HUP
trap 'echo stopping; exit 0' TERM
[ "$1" = run ] || exit 99
echo running
[ ! -e status ] || { read -r status <status; rm status; exit "$status"; }
while :; do sleep 60 & wait; done
"""
SBATCH = """#!/bin/sh
echo "submitted $1"
exit "${SBATCH_STATUS:-0}"
"""


@contextmanager
def started(folder: Path, script: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    for name, text in (("torc-watchd", DAEMON), ("sbatch", SBATCH)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "TORC_WATCHD_PAUSE": "0", **variables}
    with subprocess.Popen(
        ["sh", DEPLOY / script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


SCRIPTS = ["foreground.sh", "torc-watchd.sbatch"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_sigterm_stops_the_daemon(tmp_path: Path, script: str) -> None:
    with started(tmp_path, script) as process:
        assert line(process) == "running"
        process.send_signal(signal.SIGTERM)

        assert line(process) == "stopping"
        assert process.wait() == 0


@pytest.mark.parametrize("script", SCRIPTS)
def test_failed_daemon_is_restarted(tmp_path: Path, script: str) -> None:
    (tmp_path / "status").write_text("1\n")
    with started(tmp_path, script) as process:
        assert line(process) == "running"
        assert "status 1" in line(process)
        assert line(process) == "running"


@pytest.mark.parametrize("script", SCRIPTS)
def test_invalid_configuration_is_not_retried(tmp_path: Path, script: str) -> None:
    (tmp_path / "status").write_text("2\n")
    with started(tmp_path, script) as process:
        assert process.wait() == 2


def test_sighup_reloads_the_configuration(tmp_path: Path) -> None:
    with started(tmp_path, "foreground.sh") as process:
        line(process)
        process.send_signal(signal.SIGHUP)

        assert line(process) == "reloading"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "stopping"


@pytest.mark.parametrize(("status", "words"), [("0", ""), ("1", "No successor")])
def test_job_submits_its_successor_before_its_time_limit(
    tmp_path: Path, status: str, words: str
) -> None:
    with started(tmp_path, "torc-watchd.sbatch", SBATCH_STATUS=status) as process:
        line(process)
        process.send_signal(signal.SIGUSR1)

        assert line(process) == f"submitted {DEPLOY / 'torc-watchd.sbatch'}"
        if words:
            assert words in line(process)
        assert line(process) == "stopping"
        assert process.wait() == 0
