"""Allocations as jobs of a real cluster. Their runner is a script that says how it was called."""

import os
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import anyio
import pytest

from tests.rigs.slurm_cluster import SlurmCluster, wait_until
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.core.units import MIB
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.slurm.interrupted_submission import find_interrupted
from torc_watch.schedulers.slurm.job_script import RunnerSettings
from torc_watch.schedulers.slurm.slurm_scheduler import SlurmScheduler
from torc_watch.torc.transport import Connection

pytestmark = pytest.mark.slow

URL = "http://localhost:1/torc-service/v1"
_RUNNER = """#!/bin/sh
[ "$1" = --help ] && exec echo "  --claim-backoff-max-secs <S>"
printf '%s\\n' "$@" "cwd $(pwd)" "mem $SLURM_MEM_PER_NODE" "cpus $SLURM_CPUS_PER_TASK" \\
    "password $TORC_PASSWORD" "time format [$SLURM_TIME_FORMAT]" "secret [$TORC_WATCHD_SECRET]"
trap 'echo signaled; exit 0' TERM
while [ -e "$3/wait" ]; do sleep 0.1; done
"""


@pytest.fixture(autouse=True)
def _environment(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    # Settings of a user, which must not reach Slurm's commands or the job.
    monkeypatch.setenv("SLURM_TIME_FORMAT", "%s")
    monkeypatch.setenv("SQUEUE_FORMAT", "%j")
    monkeypatch.setenv("SBATCH_PARTITION", "down")
    monkeypatch.setenv("TORC_WATCHD_SECRET", "x")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path / 'an output folder of "50%j"'


@pytest.fixture
def scheduler(tmp_path: Path) -> SlurmScheduler:
    program = tmp_path / "runner"
    program.write_text(_RUNNER)
    program.chmod(0o755)
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("secret of the server\n")
    runner = RunnerSettings(command=(str(program),), password_file=password)
    return SlurmScheduler(tmp_path / "slurm-jobs", runner)


def work(out: Path) -> WorkerAssignment:
    password = "secret of the server"  # noqa: S105
    connection = Connection(url=URL, username="ann", password=password)
    return WorkerAssignment(
        connection=connection, workflow_id=42, scheduler_config_id=1, output_dir=out
    )


def spec(
    token: str, *options: str, excluded_nodes: tuple[str, ...] = (), **shape: int
) -> AllocationSpec:
    usual = AllocationSpec(
        token=token,
        options=options,
        num_cpus=2,
        memory=300 * MIB,
        runtime=240,
        excluded_nodes=excluded_nodes,
    )
    return replace(usual, **shape)  # type: ignore[arg-type]


def output(out: Path, number: int) -> list[str]:
    path = out / f"slurm_output_wf42_sl{number}.o"
    return path.read_text().splitlines() if path.exists() else []


async def test_allocation_is_held_until_its_release(
    scheduler: SlurmScheduler, cluster: SlurmCluster, out: Path
) -> None:
    number = await scheduler.submit(
        spec("tw42-a-1", "--partition=short", "--qos=normal"), work(out)
    )

    assert cluster.queue_state(number) == "PENDING JobHeldUser"
    assert await scheduler.find(["tw42-a-1", "tw42-a-2"]) == {"tw42-a-1": number}

    await scheduler.release([number])
    rows = cluster.wait_for_end(number)

    assert rows[0] == f"{number}|COMPLETED|0:0"
    assert output(out, number) == [
        *(URL, "42", str(out), "--poll-interval", "30"),
        *("--claim-backoff-max-secs", "30"),
        *(f"cwd {out.parent}", "mem 300", "cpus 2", "password secret of the server"),
        *("time format []", "secret []"),
    ]
    await scheduler.release([number])  # as after a crash
    assert await scheduler.find(["tw42-a-1"]) == {"tw42-a-1": number}


async def test_job_of_an_interrupted_submission_is_found_by_its_script(
    scheduler: SlurmScheduler, out: Path
) -> None:
    """Also after the script was removed from the output folder."""
    recorded = await scheduler.submit(spec("tw42-i-1"), work(out))
    released = await scheduler.submit(spec("tw42-i-2"), work(out))
    await scheduler.release([released])
    held = await scheduler.submit(spec("tw42-i-3"), work(out))
    (out / "tw42-i-3.sh").unlink()

    assert await find_interrupted(URL, 42, "tw42-", {recorded}) == {held: "tw42-i-3"}
    assert await find_interrupted("http://b:1/torc-service/v1", 42, "tw42-", {recorded}) == {}
    assert await find_interrupted(URL, 4, "tw4", {recorded}) == {}


async def test_script_is_private_and_without_the_password(
    scheduler: SlurmScheduler, out: Path
) -> None:
    await scheduler.submit(spec("tw42-b-1"), work(out))

    script = out / "tw42-b-1.sh"
    assert script.stat().st_mode & 0o777 == 0o700
    assert "secret" not in script.read_text()


async def test_runner_is_signaled_when_it_is_canceled(
    scheduler: SlurmScheduler, cluster: SlurmCluster, out: Path
) -> None:
    number = await scheduler.submit(spec("tw42-c-1"), work(out))
    (out / "wait").touch()
    await scheduler.release([number])
    wait_until(lambda: "time format []" in output(out, number), "the runner")

    await scheduler.cancel(number)
    cluster.wait_for_end(number)

    assert output(out, number)[-1] == "signaled"


async def test_another_job_with_the_number_of_ours_is_not_canceled(
    scheduler: SlurmScheduler, cluster: SlurmCluster, out: Path
) -> None:
    """As after a crash of the controller, which gives the number to the next job."""
    number = await scheduler.submit(spec("tw42-d-1"), work(out))
    cluster.run("scontrol", "update", f"jobid={number}", "name=other")

    await scheduler.cancel(number)

    assert cluster.queue_state(number) == "PENDING JobHeldUser"


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--partition=nowhere", "Invalid partition name specified"),
        ("--account=nobody", "Invalid account or account/partition combination"),
        ("--qos=best", "Invalid qos specification"),
        ("--qos=limited --time=60", "QOSMaxWallDurationPerJobLimit"),
    ],
)
async def test_refusal_has_the_reason_that_slurm_gives(
    scheduler: SlurmScheduler, out: Path, option: str, reason: str
) -> None:
    with pytest.raises(SchedulerError, match=reason) as raised:
        await scheduler.submit(spec("tw42-e-1", option, runtime=1000), work(out))

    assert not isinstance(raised.value, SchedulerUnreachable)
    assert await scheduler.find(["tw42-e-1"]) == {}


async def test_too_large_allocation_is_refused(scheduler: SlurmScheduler, out: Path) -> None:
    with pytest.raises(SchedulerError, match="Requested node configuration is not available"):
        await scheduler.submit(spec("tw42-f-1", memory=999_000 * MIB), work(out))


async def test_start_is_expected_when_what_runs_has_to_end(
    cluster: SlurmCluster, scheduler: SlurmScheduler
) -> None:
    number = cluster.submit("sleep 60", "--exclusive", "--nodes=3", "--time=3")
    cluster.wait_for_queue_state(number, "RUNNING")
    end = cluster.run("squeue", "--noheader", f"--jobs={number}", "--format=%e").strip()

    begins = await scheduler.expected_start(spec("tw42-h-1"))

    assert begins is not None
    assert begins >= datetime.fromisoformat(end).astimezone()


async def test_submission_that_timed_out_is_found(
    scheduler: SlurmScheduler, cluster: SlurmCluster, out: Path
) -> None:
    """Slurm's own message timeout is 5 s here; the job is submitted when the controller goes on."""
    await scheduler.submit(spec("tw42-g-0"), work(out))
    cluster.send_signal("slurmctld", SIGSTOP)
    try:
        with pytest.raises(SchedulerUnreachable, match="Socket timed out"):
            await scheduler.submit(spec("tw42-g-1"), work(out))
    finally:
        cluster.send_signal("slurmctld", SIGCONT)

    wait_until(lambda: "tw42-g-1" in cluster.run("squeue", "-h", "-o", "%j"), "the job")
    (number,) = (await scheduler.find(["tw42-g-1"])).values()
    await scheduler.release([number])
    assert cluster.wait_for_end(number)[0] == f"{number}|COMPLETED|0:0"


async def test_nodes_of_each_partition_are_known(scheduler: SlurmScheduler) -> None:
    classes = {each.partition: each for each in await scheduler.node_classes()}

    assert set(classes) == {"short", "standard", "bigmem", "preemptible", "debug", "project"}
    standard, short, bigmem = classes["standard"], classes["short"], classes["bigmem"]
    assert (standard.num_cpus, standard.memory, standard.count) == (4, 4000 * MIB, 3)
    assert (standard.runtime, short.runtime) == (24 * 3600, 300)
    assert [name for name, each in classes.items() if each.is_default] == ["standard"]
    assert (bigmem.num_cpus, bigmem.memory, bigmem.count) == (8, 16_000 * MIB, 1)


async def test_settings_are_asked_for_once(
    scheduler: SlurmScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await scheduler.kill_wait() == 2
    monkeypatch.setenv("PATH", "/nonexistent")
    assert await scheduler.kill_wait() == 2


async def test_banner_of_a_site_is_not_the_number(
    scheduler: SlurmScheduler, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = tmp_path / "bin/sbatch"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho 2026 is a good year\n{shutil.which("sbatch")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")

    number = await scheduler.submit(spec("tw42-h-1"), work(out))

    assert await scheduler.find(["tw42-h-1"]) == {"tw42-h-1": number}


async def test_hundred_allocations_are_released_at_once(
    scheduler: SlurmScheduler, cluster: SlurmCluster, out: Path
) -> None:
    specs = [spec(f"tw42-i-{place}", num_cpus=1) for place in range(1, 101)]
    numbers = [await scheduler.submit(each, work(out)) for each in specs]

    found = await scheduler.find([each.token for each in specs])
    await scheduler.release(numbers)

    assert list(found.values()) == numbers
    assert "JobHeldUser" not in cluster.run("squeue", "-h", "-o", "%r")
    with anyio.fail_after(60):
        for number in numbers:
            await scheduler.cancel(number)
