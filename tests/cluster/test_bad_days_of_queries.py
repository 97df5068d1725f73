"""Status queries while a real Slurm's daemons are down or hang, and behind a site's wrappers."""

import shutil
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

import anyio
import pytest

from tests.rigs.slurm_cluster import SlurmCluster
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.schedulers.slurm import job_status
from torc_watch.schedulers.slurm.slurm_commands import run_slurm
from torc_watch.schedulers.slurm.status_query import StatusQuery

pytestmark = pytest.mark.slow

_ALIVE, _GONE, _UNKNOWN = AllocationState.ALIVE, AllocationState.GONE, AllocationState.UNKNOWN
_NO_JOB = 400_000_000

# Puts a shell script before a command of Slurm; ``$REAL`` in it is the command itself.
Wrap = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def _this_cluster(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: SlurmCluster) -> Wrap:
    def write(program: str, script: str) -> None:
        path = tmp_path / program
        path.touch(0o700)
        real = shutil.which(program, path=cluster.environment["PATH"])
        path.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
        monkeypatch.setenv("PATH", f"{tmp_path}:{cluster.environment['PATH']}")

    return write


async def _status(number: int, query: StatusQuery | None = None) -> AllocationStatus:
    return (await (query or StatusQuery()).statuses({number: None}))[number]


async def _end(number: int) -> AllocationStatus:
    return await _not_in(number, StatusQuery(), (_ALIVE, _UNKNOWN))


async def _not_in(
    number: int, query: StatusQuery, states: Collection[AllocationState]
) -> AllocationStatus:
    with anyio.fail_after(60):
        while True:
            status = await _status(number, query)
            if status.state not in states:
                return status
            await anyio.sleep(0.2)


async def test_nothing_is_decided_while_the_controller_is_down(cluster: SlurmCluster) -> None:
    number = cluster.submit("true")
    cluster.wait_for_end(number)

    with (
        cluster.without("slurmctld", SIGTERM),
        pytest.raises(SchedulerUnreachable, match="controller"),
    ):
        await _status(number)

    assert (await _end(number)).cause is None


async def test_nothing_is_decided_while_the_controller_hangs(cluster: SlurmCluster) -> None:
    number = cluster.submit("sleep 60")

    cluster.send_signal("slurmctld", SIGSTOP)
    try:
        with pytest.raises(SchedulerUnreachable, match="timed out"):
            await _status(number)
    finally:
        cluster.send_signal("slurmctld", SIGCONT)

    assert (await _status(number)).state is _ALIVE


async def test_end_is_unknown_while_accounting_is_down(cluster: SlurmCluster) -> None:
    query = StatusQuery()
    with cluster.without("slurmdbd"):
        running, ended = cluster.submit("sleep 60"), cluster.submit("true")
        cluster.wait_for_queue_state(ended, "COMPLETED")
        statuses = await query.statuses({running: None, ended: None})

    assert (statuses[running].state, statuses[ended].state) == (_ALIVE, _UNKNOWN)
    assert "sacct" in statuses[ended].detail
    assert query.has_accounting
    assert (await _end(ended)).cause is None


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (SIGTERM, "authentication"),
        (SIGKILL, "did not answer within 6 seconds"),  # its socket is left, and clients hang on it
    ],
)
async def test_nothing_is_decided_without_authentication(
    cluster: SlurmCluster, how: Signals, message: str
) -> None:
    number = cluster.submit("true")
    cluster.wait_for_end(number)
    query = StatusQuery(partial(run_slurm, time_limit=6))

    with cluster.without("munged", how), pytest.raises(SchedulerUnreachable, match=message):
        await _status(number, query)


async def test_number_that_was_used_again_is_another_job(cluster: SlurmCluster) -> None:
    """A controller that is killed forgets what was submitted in its last seconds."""
    for attempt in range(3):
        names = f"tw-first-{attempt}", f"tw-second-{attempt}"
        number = cluster.submit("true", "--hold", f"--job-name={names[0]}")
        with cluster.without("slurmctld"):
            pass
        if cluster.submit("true", "--hold", f"--job-name={names[1]}") == number:
            break
    else:
        pytest.skip("the controller remembered each job")

    first, second = [(await StatusQuery().statuses({number: name}))[number] for name in names]

    assert (first.state, second.state) == (_UNKNOWN, _ALIVE)


async def test_banner_of_the_site_is_skipped(cluster: SlurmCluster, wrap: Wrap) -> None:
    for program in ("squeue", "sacct"):
        wrap(program, 'echo "Welcome | to | Stampede3"; echo "7|jobs wait" >&2; exec $REAL "$@"')
    ended, running = cluster.submit("exit 3"), cluster.submit("sleep 60")

    assert (await _end(ended)).cause is EndCause.FAILED
    assert (await _status(running)).state is _ALIVE


@pytest.mark.parametrize("script", ["exit 0", 'echo "Down for maintenance"; exit 0'])
@pytest.mark.parametrize("program", ["squeue", "sacct"])
async def test_silence_with_status_0_decides_nothing(
    cluster: SlurmCluster, wrap: Wrap, program: str, script: str
) -> None:
    number = cluster.submit("true")
    cluster.wait_for_end(number)
    wrap(program, script)

    if program == "squeue":
        with pytest.raises(SchedulerUnreachable, match="no heading"):
            await _status(number)
    else:
        status = await _status(number)
        assert status.state is _UNKNOWN
        assert "no heading" in status.detail


async def test_squeue_that_takes_too_long_is_ended(cluster: SlurmCluster, wrap: Wrap) -> None:
    number = cluster.submit("sleep 60")
    wrap("squeue", 'sleep 40; exec $REAL "$@"')

    with anyio.fail_after(20), pytest.raises(SchedulerUnreachable, match="within 1 seconds"):
        await _status(number, StatusQuery(partial(run_slurm, time_limit=1)))


async def test_squeue_that_takes_long_is_waited_for(cluster: SlurmCluster, wrap: Wrap) -> None:
    number = cluster.submit("sleep 60")
    wrap("squeue", 'sleep 4; exec $REAL "$@"')

    assert (await _status(number)).state is _ALIVE


async def test_answer_without_one_of_the_fields_decides_nothing(
    cluster: SlurmCluster, wrap: Wrap
) -> None:
    """squeue drops a field that it does not know, succeeds, and the columns shift."""
    number = cluster.submit("sleep 60")
    wrap("squeue", 'exec $REAL "$@" "--format=%A|%T|%@|%S|%e|%N|%20j|%r"')

    with pytest.raises(SchedulerError, match="Invalid job format"):
        await _status(number)


async def test_cluster_without_accounting_is_a_mode_of_its_own(
    cluster: SlurmCluster, wrap: Wrap, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    wrap("sacct", f"echo x >>{asked}; echo 'Slurm accounting storage is disabled' >&2; exit 1")
    ended, running = cluster.submit("exit 3"), cluster.submit("sleep 60")
    cluster.wait_for_queue_state(ended, "FAILED")
    query = StatusQuery()

    for _ in range(2):
        statuses = await query.statuses({running: None, _NO_JOB: None})
        assert [status.state for status in statuses.values()] == [_ALIVE, _UNKNOWN]

    status = await _status(ended, query)
    assert (status.state, status.cause) == (_GONE, EndCause.FAILED)
    assert status.ended is not None
    assert not query.has_accounting
    assert asked.read_text() == "x\n"


async def test_job_that_slurm_does_not_know_is_gone_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_status, "LOST_AFTER", 0.5)
    query = StatusQuery()
    assert (await _status(_NO_JOB, query)).state is _UNKNOWN

    status = await _not_in(_NO_JOB, query, [_UNKNOWN])

    assert (status.state, status.cause) == (_GONE, EndCause.LOST)
    assert "nothing is known of its end" in status.detail
