"""The cluster that other tests of this folder use does what a center's Slurm does."""

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from tests.rigs.slurm_cluster import SlurmCluster, wait_until
from tests.rigs.slurm_configuration import MemoryEnforcement

pytestmark = pytest.mark.slow

_ALLOCATE = "python3 -c 'import time; held = bytearray(400 << 20); time.sleep(60)'"
_ENDS: dict[MemoryEnforcement, tuple[str, str]] = {
    "cgroup": ("OUT_OF_MEMORY", "0:125"),
    "polling": ("FAILED", "0:9"),
}


def test_job_ends_as_completed(cluster: SlurmCluster) -> None:
    number = cluster.submit("true")

    assert cluster.wait_for_end(number)[0] == f"{number}|COMPLETED|0:0"


def test_commands_outside_and_in_jobs_are_of_the_release(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    name = f" {cluster.site.release.name}."
    assert name in cluster.run("sinfo", "--version")

    number = cluster.submit("sinfo --version && squeue", f"--output={tmp_path}/job")

    assert cluster.wait_for_end(number)[0] == f"{number}|COMPLETED|0:0"
    assert name in (tmp_path / "job").read_text()


def test_command_has_the_input_and_folder_of_its_caller(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    done = subprocess.run(
        ("srun", "--quiet", "sh", "-c", "cat; pwd; exit 7"),
        env=cluster.environment,
        cwd=tmp_path,
        input="input\n",
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (7, f"input\n{tmp_path}\n")


def test_exit_status_is_recorded(cluster: SlurmCluster) -> None:
    number = cluster.submit("exit 3")

    assert cluster.wait_for_end(number)[0] == f"{number}|FAILED|3:0"


def test_job_that_exceeds_its_memory_is_killed(cluster: SlurmCluster) -> None:
    number = cluster.submit(f"exec {_ALLOCATE}", "--mem=100")

    state, code = _ENDS[cluster.memory_enforcement]
    assert cluster.wait_for_end(number)[0] == f"{number}|{state}|{code}"


def test_job_that_exceeds_its_time_is_killed(cluster: SlurmCluster) -> None:
    number = cluster.submit("exec sleep 60")
    cluster.wait_for_queue_state(number, "RUNNING")

    cluster.run("scontrol", "update", f"jobid={number}", "endtime=now+1")

    assert cluster.wait_for_end(number)[0] == f"{number}|TIMEOUT|0:0"


def test_job_in_a_partition_that_is_down_waits(cluster: SlurmCluster) -> None:
    number = cluster.submit("true", "--partition=down")

    cluster.wait_for_queue_state(number, "PENDING PartitionDown")


def test_bigmem_has_more_memory_than_the_other_nodes(cluster: SlurmCluster) -> None:
    number = cluster.submit("true", "--partition=bigmem", "--mem=8000")

    cluster.run("sbatch", "--mem=8000", "--wrap", "true", status=1)
    assert cluster.wait_for_end(number)[0] == f"{number}|COMPLETED|0:0"


def test_partition_of_a_project_needs_its_account(cluster: SlurmCluster) -> None:
    with_account = cluster.submit("true", "--partition=project", "--account=project")
    without = cluster.submit("true", "--partition=project")

    assert cluster.wait_for_end(with_account)[0] == f"{with_account}|COMPLETED|0:0"
    old = cluster.release < (24, 11)
    reason = "Job's account not permitted" if old else "PartitionConfig"
    cluster.wait_for_queue_state(without, f"PENDING {reason}")


def test_qos_refuses_what_exceeds_its_limits(cluster: SlurmCluster) -> None:
    cluster.run("sbatch", "--qos=limited", "--time=20", "--wrap", "true", status=1)

    for _ in range(2):
        cluster.submit("sleep 60", "--qos=limited", "--time=5")
    cluster.run("sbatch", "--qos=limited", "--time=5", "--wrap", "true", status=1)


def test_qos_lets_a_job_wait_for_another(cluster: SlurmCluster) -> None:
    first, second = (cluster.submit("sleep 60", "--qos=waiting") for _ in range(2))

    cluster.wait_for_queue_state(first, "RUNNING")
    cluster.wait_for_queue_state(second, "PENDING QOSMaxJobsPerUserLimit")


@pytest.mark.parametrize(
    ("option", "state"), [("--no-requeue", "PREEMPTED"), ("--requeue", "PENDING")]
)
def test_preemptible_job_makes_way(cluster: SlurmCluster, option: str, state: str) -> None:
    place = ("--exclusive", f"--nodelist={cluster.nodes[0]}")
    victim = cluster.submit("exec sleep 60", "--partition=preemptible", option, *place)
    cluster.wait_for_queue_state(victim, "RUNNING")

    winner = cluster.submit("exec sleep 60", *place)

    cluster.wait_for_queue_state(winner, "RUNNING")
    cluster.wait_for_queue_state(victim, state)


def test_controller_finds_its_jobs_after_a_restart(cluster: SlurmCluster) -> None:
    number = cluster.submit("sleep 60")
    cluster.wait_for_queue_state(number, "RUNNING")

    with cluster.without("slurmctld", SIGTERM):  # a crash would forget the newest jobs
        assert "DOWN" in cluster.run("scontrol", "ping", status=1)

    cluster.wait_for_queue_state(number, "RUNNING")


def test_node_fails_when_its_daemon_is_killed(cluster: SlurmCluster) -> None:
    node = cluster.nodes[2]
    number = cluster.submit("exec sleep 60", f"--nodelist={node}")
    cluster.wait_for_queue_state(number, "RUNNING")

    with cluster.without(node):
        cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

        assert cluster.wait_for_end(number)[0].startswith(f"{number}|NODE_FAIL|")


def test_nothing_is_left_of_an_interrupted_run(cluster: SlurmCluster) -> None:
    script = (
        "from signal import SIGSTOP\n"
        "from tests.rigs.slurm_cluster import open_cluster\n"
        f"with open_cluster({cluster.site.release.name!r}) as cluster:\n"
        "    number = cluster.submit('sleep 6000')\n"
        "    cluster.wait_for_queue_state(number, 'RUNNING')\n"
        "    cluster.send_signal('slurmctld', SIGSTOP)\n"
        "    print(cluster.folder, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        assert _processes_of(folder)
        run.send_signal(SIGKILL)

    wait_until(lambda: not folder.exists(), f"the removal of {folder}")
    wait_until(lambda: not _processes_of(folder), f"the end of {_processes_of(folder)}")


def _processes_of(folder: Path) -> list[str]:
    """The processes, jobs' too, whose command or environment has the folder in it."""
    needle = os.fsencode(folder)
    return [
        found.parent.name
        for found in Path("/proc").glob("[0-9]*/environ")
        if needle in _content(found) or needle in _content(found.with_name("cmdline"))
    ]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""
