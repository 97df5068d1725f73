"""What a status query says of jobs of a real Slurm; its bad days are in a module of their own."""

from datetime import datetime

import anyio
import pytest

from tests.rigs.slurm_cluster import SlurmCluster
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.schedulers.slurm.status_query import StatusQuery
from torc_watch.schedulers.slurm.step_query import query_steps

pytestmark = pytest.mark.slow

_ALIVE, _GONE, _UNKNOWN = AllocationState.ALIVE, AllocationState.GONE, AllocationState.UNKNOWN
_NO_JOB = 400_000_000
_PRINTS = "echo runs; exec sleep 60"
_ALLOCATE = "python3 -c 'import time; held = bytearray(400 << 20); time.sleep(60)'"


@pytest.fixture(autouse=True)
def _this_cluster(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's settings would change what is printed."""
    settings = {"SQUEUE_FORMAT": "%j", "SLURM_CLUSTERS": "other", "SACCT_FORMAT": "JobName"}
    for name, value in {**cluster.environment, **settings}.items():
        monkeypatch.setenv(name, value)


async def _state(number: int) -> AllocationState:
    return (await StatusQuery().statuses({number: None}))[number].state


async def _end(number: int) -> AllocationStatus:
    """The final status, after others that are not."""
    with anyio.fail_after(60):
        while True:
            status = (await StatusQuery().statuses({number: None}))[number]
            if status.state is _GONE:
                return status
            await anyio.sleep(0.2)


async def test_job_is_alive_until_it_ends_in_order(cluster: SlurmCluster) -> None:
    number = cluster.submit(_PRINTS, "--hold")
    assert await _state(number) is _ALIVE
    cluster.run("scontrol", "release", str(number))
    cluster.wait_for_script(number)
    assert await _state(number) is _ALIVE

    cluster.run("scancel", "--batch", "--signal=TERM", str(number))

    status = await _end(number)
    assert status.cause is EndCause.FAILED
    assert status.detail.endswith("exit code 0:15")


async def test_jobs_that_nobody_submitted_are_unknown() -> None:
    numbers = [_NO_JOB, _NO_JOB + 1]

    assert await _state(_NO_JOB) is _UNKNOWN
    statuses = await StatusQuery().statuses(dict.fromkeys(numbers))
    assert [statuses[number].state for number in numbers] == [_UNKNOWN, _UNKNOWN]


async def test_one_query_tells_jobs_apart(cluster: SlurmCluster) -> None:
    good, bad, running = (cluster.submit(script) for script in ("true", "exit 3", "sleep 60"))
    cluster.wait_for_end(good)
    cluster.wait_for_end(bad)

    statuses = await StatusQuery().statuses(dict.fromkeys((good, bad, running, _NO_JOB)))

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
    """Queries all the while, until the job is gone, or lives again after the winner has ended."""
    with anyio.fail_after(60):
        while True:
            status = (await StatusQuery().statuses({number: None}))[number]
            lives = cluster.run("scontrol", "show", "job", str(number))
            is_second = "Restarts=1" in lives and await _state(winner) is _GONE
            if status.state is _GONE or is_second:
                return status
            await anyio.sleep(0.05)


async def test_requeued_job_is_followed_into_its_next_life(cluster: SlurmCluster) -> None:
    number = cluster.submit("exec sleep 60", "--requeue")
    cluster.wait_for_queue_state(number, "RUNNING")
    first = await _began(number)
    cluster.run("scontrol", "requeue", str(number))
    cluster.wait_for_queue_state(number, "PENDING BeginTime")
    between = (await StatusQuery().statuses({number: None}))[number]
    assert (between.state, between.began) == (_ALIVE, None)

    # Not after two minutes, but not within the second in which the node ended its first life.
    cluster.run("scontrol", "update", f"jobid={number}", "starttime=now+2")
    cluster.wait_for_queue_state(number, "RUNNING")
    second = await _began(number)
    assert first < second

    cluster.run("scancel", str(number))
    end = await _end(number)
    assert (end.cause, end.began) == (EndCause.CANCELED, second)
    assert end.ended is not None
    assert end.ended >= second


async def _began(number: int) -> datetime:
    status = (await StatusQuery().statuses({number: None}))[number]
    assert status.began is not None
    return status.began


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--partition=short", "--time=60"], "will never start (PartitionTimeLimit)"),
        (["--hold"], "is held (JobHeldUser)"),
        (["--partition=down"], "cannot start now (PartitionDown)"),
        (["--begin=now+1hour"], ""),
    ],
)
async def test_job_that_does_not_simply_wait_says_so(
    cluster: SlurmCluster, options: list[str], words: str
) -> None:
    number = cluster.submit("true", *options)
    cluster.wait_for_queue_state(number, "PENDING " + words.rpartition("(")[2].rstrip(")"))

    status = (await StatusQuery().statuses({number: None}))[number]

    assert status.state is _ALIVE
    assert status.detail.startswith(words)
    assert bool(status.detail) == bool(words)


async def test_job_is_known_by_its_name(cluster: SlurmCluster) -> None:
    ended = cluster.submit("true", "--job-name=tw-7-r1-aa-0")
    alive = cluster.submit("sleep 60", f"--job-name={'n' * 19}")
    cluster.wait_for_end(ended)

    assert (await StatusQuery().statuses({ended: "tw-7-r1-aa-0"}))[ended].state is _GONE
    assert (await StatusQuery().statuses({alive: "n" * 19}))[alive].state is _ALIVE
    wrong = await StatusQuery().statuses({ended: "tw-7-r1-aa-1", alive: "n" * 18})
    assert [wrong[number].state for number in (ended, alive)] == [_UNKNOWN, _UNKNOWN]


@pytest.mark.parametrize("name", ["a|b\n7|RUNNING|0", "", "ä" * 30, "x" * 1000, "--jobs=1 %i"])
async def test_name_that_another_program_chose_does_no_harm(
    cluster: SlurmCluster, name: str
) -> None:
    number = cluster.submit(_PRINTS, f"--job-name={name}")
    cluster.wait_for_script(number)
    assert await _state(number) is _ALIVE

    cluster.run("scancel", str(number))

    assert (await _end(number)).cause is EndCause.CANCELED


async def test_step_says_why_it_was_killed(cluster: SlurmCluster) -> None:
    name = "wf1_j2_r0_a1"
    number = cluster.submit(f"srun --job-name={name} {_ALLOCATE}; exit 0", "--mem=100")
    assert (await _end(number)).cause is None

    (step,) = [row for row in (await query_steps([number]))[number] if row.name == name]

    known = cluster.memory_enforcement == "cgroup"
    assert step.state == ("OUT_OF_MEMORY" if known else "CANCELLED")
    assert step.start is not None
