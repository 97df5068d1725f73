"""What a status query says of jobs of a real Slurm, also while its daemons are down."""

import sys
from functools import partial
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

import anyio
import pytest

from tests.rigs.slurm_cluster import SlurmCluster
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.schedulers.slurm.slurm_commands import run_slurm
from torc_watch.schedulers.slurm.status_query import query_statuses

pytestmark = pytest.mark.slow

_ALIVE, _GONE, _UNKNOWN = AllocationState.ALIVE, AllocationState.GONE, AllocationState.UNKNOWN
_NO_JOB = 400_000_000
_ALLOCATE = f"{sys.executable} -c 'import time; held = bytearray(400 << 20); time.sleep(60)'"


@pytest.fixture(autouse=True)
def _this_cluster(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's settings would change what is printed."""
    settings = {"SQUEUE_FORMAT": "%j", "SLURM_CLUSTERS": "other", "SACCT_FORMAT": "JobName"}
    for name, value in {**cluster.environment, **settings}.items():
        monkeypatch.setenv(name, value)


async def _state(number: int) -> AllocationState:
    return (await query_statuses({number: None}))[number].state


async def _end(number: int) -> AllocationStatus:
    """The final status, after others that are not."""
    with anyio.fail_after(60):
        while True:
            status = (await query_statuses({number: None}))[number]
            if status.state is _GONE:
                return status
            await anyio.sleep(0.2)


async def test_job_is_alive_until_it_ends_in_order(cluster: SlurmCluster) -> None:
    number = cluster.submit("sleep 60", "--hold")
    assert await _state(number) is _ALIVE
    cluster.run("scontrol", "release", str(number))
    cluster.wait_for_queue_state(number, "RUNNING")
    assert await _state(number) is _ALIVE

    cluster.run("scancel", "--batch", "--signal=TERM", str(number))

    status = await _end(number)
    assert status.cause is EndCause.FAILED
    assert status.detail.endswith("exit code 0:15")


async def test_jobs_that_nobody_submitted_are_unknown() -> None:
    numbers = [_NO_JOB, _NO_JOB + 1]

    assert await _state(_NO_JOB) is _UNKNOWN
    statuses = await query_statuses(dict.fromkeys(numbers))
    assert [statuses[number].state for number in numbers] == [_UNKNOWN, _UNKNOWN]


async def test_one_query_tells_jobs_apart(cluster: SlurmCluster) -> None:
    good, bad, running = (cluster.submit(script) for script in ("true", "exit 3", "sleep 60"))
    cluster.wait_for_end(good)
    cluster.wait_for_end(bad)

    statuses = await query_statuses(dict.fromkeys((good, bad, running, _NO_JOB)))

    ends = {number: (each.state, each.cause) for number, each in statuses.items()}
    assert ends == {
        good: (_GONE, None),
        bad: (_GONE, EndCause.FAILED),
        running: (_ALIVE, None),
        _NO_JOB: (_UNKNOWN, None),
    }


@pytest.mark.parametrize("partition", ["standard", "down"])
async def test_user_who_canceled_a_job_is_named(cluster: SlurmCluster, partition: str) -> None:
    number = cluster.submit("sleep 60", f"--partition={partition}")
    cluster.wait_for_queue_state(number, "PENDING PartitionDown" if partition == "down" else "RUN")

    cluster.run("scancel", str(number))

    status = await _end(number)
    assert (status.cause, status.canceled_by) == (EndCause.CANCELED, "root")


async def test_memory_is_the_cause_where_slurm_knows_it(cluster: SlurmCluster) -> None:
    number = cluster.submit(f"exec {_ALLOCATE}", "--mem=100")

    known = cluster.memory_enforcement == "cgroup"
    assert (await _end(number)).cause is (EndCause.OUT_OF_MEMORY if known else EndCause.FAILED)


async def test_time_limit_is_the_cause(cluster: SlurmCluster) -> None:
    number = cluster.submit("trap 'exit 0' TERM; sleep 60 & wait")
    cluster.wait_for_queue_state(number, "RUNNING")

    cluster.run("scontrol", "update", f"jobid={number}", "endtime=now+1")

    assert (await _end(number)).cause is EndCause.TIME_LIMIT


async def test_node_failure_is_the_cause(cluster: SlurmCluster) -> None:
    node = cluster.nodes[2]
    number = cluster.submit("exec sleep 60", f"--nodelist={node}")
    cluster.wait_for_queue_state(number, "RUNNING")

    with cluster.without(node):
        cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        status = await _end(number)

    assert status.cause is EndCause.NODE_FAILURE
    assert node in status.detail


@pytest.mark.parametrize("option", ["--requeue", "--no-requeue"])
async def test_preempted_job_is_gone_unless_requeued(cluster: SlurmCluster, option: str) -> None:
    place = ("--exclusive", f"--nodelist={cluster.nodes[0]}")
    number = cluster.submit("exec sleep 60", "--partition=preemptible", option, *place)
    cluster.wait_for_queue_state(number, "RUNNING")

    winner = cluster.submit("exec sleep 4", *place)

    status = await _end_or_second_life(cluster, number, winner)
    expected = (_GONE, EndCause.PREEMPTED) if option == "--no-requeue" else (_ALIVE, None)
    assert (status.state, status.cause) == expected


async def _end_or_second_life(cluster: SlurmCluster, number: int, winner: int) -> AllocationStatus:
    """Queries all the while, until the job is gone, or waits again after the winner has ended."""
    with anyio.fail_after(60):
        while True:
            status = (await query_statuses({number: None}))[number]
            waits = cluster.queue_state(number).startswith("PENDING")
            if status.state is _GONE or (waits and await _state(winner) is _GONE):
                return status
            await anyio.sleep(0.05)


async def test_nothing_is_decided_while_the_controller_is_down(cluster: SlurmCluster) -> None:
    number = cluster.submit("true")
    cluster.wait_for_end(number)

    with cluster.without("slurmctld"), pytest.raises(SchedulerUnreachable, match="controller"):
        await query_statuses({number: None})

    assert (await _end(number)).cause is None


async def test_nothing_is_decided_while_the_controller_hangs(cluster: SlurmCluster) -> None:
    number = cluster.submit("sleep 60")

    cluster.send_signal("slurmctld", SIGSTOP)
    try:
        with pytest.raises(SchedulerUnreachable, match="timed out"):
            await query_statuses({number: None})
    finally:
        cluster.send_signal("slurmctld", SIGCONT)

    assert await _state(number) is _ALIVE


async def test_end_is_unknown_while_accounting_is_down(cluster: SlurmCluster) -> None:
    with cluster.without("slurmdbd"):
        running, ended = cluster.submit("sleep 60"), cluster.submit("true")
        cluster.wait_for_queue_state(ended, "COMPLETED")
        statuses = await query_statuses({running: None, ended: None})

    assert (statuses[running].state, statuses[ended].state) == (_ALIVE, _UNKNOWN)
    assert "sacct" in statuses[ended].detail
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

    with cluster.without("munged", how), pytest.raises(SchedulerUnreachable, match=message):
        await query_statuses({number: None}, partial(run_slurm, time_limit=6))
