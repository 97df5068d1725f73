"""scripts/playground, which a user watches, and ends with Ctrl-C."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.rigs.commands import start
from tests.rigs.slurm_cluster import SlurmCluster, wait_until
from tests.rigs.torc_on_slurm import missing_program
from torc_watch.host.processes import Process, processes_with_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_PROJECT = Path(__file__).parents[2]
_PLAYGROUND = _PROJECT / "scripts/playground.d/playground.py"
_NO_TORC = {"TORC_WATCH_TORC_HOME": "/nonexistent"}


@pytest.mark.parametrize(
    "is_real",
    [pytest.param(True, id="real", marks=pytest.mark.torc), pytest.param(False, id="embedded")],
)
def test_tutorial_is_recovered_and_nothing_is_left(cluster: SlurmCluster, is_real: bool) -> None:
    if cluster.site.release.root is not None:
        pytest.skip("the playground has the machine's own Slurm")
    if is_real and (reason := missing_program()):
        pytest.skip(reason)
    environment = {**os.environ, "PYTHONPATH": str(_PROJECT), **({} if is_real else _NO_TORC)}
    play = start([sys.executable, _PLAYGROUND], _PROJECT, environment)
    with play.process:  # which closes its pipe
        try:
            state = play.until("daemon's state").split()[-1]
            logs = Path(play.until("Slurm's logs").split()[-1])
            play.until("(train_model_12): OOM detected, increasing memory 100m")
            play.until("completed successfully (20 jobs)")
        finally:
            status = play.interrupt()

    assert status == 0, play.output
    assert not logs.exists()
    wait_until(lambda: not _processes_of(state), "the end of the daemon and what it started")
    shutil.rmtree(Path(state).parent)


def _processes_of(state: str) -> list[Process]:
    return processes_with_environment(f"TORC_WATCHD_HOME={state}".encode())
