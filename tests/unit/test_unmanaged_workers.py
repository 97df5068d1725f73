"""How a ``torc run`` is found among the processes of this machine."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from torc_watch.core.allocation import AllocationState
from torc_watch.schedulers.local import this_machine

WORKFLOW = 987_654_321  # no other test on this machine uses it
LOG = f"job_runner_{socket.gethostname()}_wf{WORKFLOW}_r2.log"


@pytest.mark.parametrize(
    ("name", "mode", "state"),
    [
        (LOG, "w", AllocationState.ALIVE),
        (LOG, "a", AllocationState.ALIVE),
        (LOG, "r+", AllocationState.ALIVE),
        (LOG, "r", AllocationState.GONE),
        (LOG + ".1", "w", AllocationState.GONE),
        (LOG.replace("_r2", "0_r2"), "w", AllocationState.GONE),
        (LOG.replace("_wf", "x_wf"), "w", AllocationState.GONE),
        ("x" + LOG, "w", AllocationState.GONE),
    ],
)
def test_process_that_writes_the_log_runs_the_workflow(
    tmp_path: Path, name: str, mode: str, state: AllocationState
) -> None:
    (tmp_path / name).touch()
    with (tmp_path / name).open(mode):
        assert this_machine.state_of_torc_run(WORKFLOW) is state
    assert this_machine.state_of_torc_run(WORKFLOW) is AllocationState.GONE


def test_process_that_writes_a_deleted_log_runs_the_workflow(tmp_path: Path) -> None:
    with (tmp_path / LOG).open("w"):
        (tmp_path / LOG).unlink()
        assert this_machine.state_of_torc_run(WORKFLOW) is AllocationState.ALIVE


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (["/opt/bin/torc", "run", "-"], AllocationState.UNKNOWN),
        (["torc", "exec", "-"], AllocationState.UNKNOWN),
        (["torc", "watch", "-"], AllocationState.GONE),
        (["torc-server", "run", "-"], AllocationState.GONE),
    ],
)
def test_torc_run_of_another_user_makes_the_state_unknown(
    monkeypatch: pytest.MonkeyPatch, command: list[str], state: AllocationState
) -> None:
    """Its open files cannot be listed, so its workflow is unknown."""

    def not_ours(_: object, process: Path) -> bool:
        if process.name == str(other.pid):
            raise PermissionError
        return False

    monkeypatch.setattr(this_machine, "_writes_to", not_ours)
    with subprocess.Popen(
        command,
        executable="/bin/cat",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"\n")
        other.stdin.flush()
        assert other.stdout.readline(), "exec has replaced the command line"
        assert this_machine.state_of_torc_run(WORKFLOW) is state
        other.kill()


@pytest.mark.skipif(os.geteuid() == 0, reason="root sees everything")
def test_open_files_of_other_users_cannot_be_listed() -> None:
    with pytest.raises(PermissionError):
        this_machine._writes_to(re.compile(""), Path("/proc/1"))
