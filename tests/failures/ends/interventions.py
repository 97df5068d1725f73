"""What happens to allocations from outside."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.failures.ends.scenario import Intervene
from tests.rigs.job_steps import step_of
from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import TorcOnSlurm

_LONG = 240.0  # seconds until Slurm and Torc have done something by themselves
_NODE = 120.0  # seconds until Slurm believes that a node has failed


def wait_for_end(torc: TorcOnSlurm, workflow_id: int) -> None:
    """Of allocations that end by themselves."""
    [number] = torc.allocations(workflow_id)
    wait_until(lambda: _has_ended(torc, number), f"the end of {number}", _LONG)


def after(seconds: float, *names: str, act: Intervene) -> Intervene:
    """Acts so long after the named jobs, or all, have begun, and waits for the end."""

    def intervene(torc: TorcOnSlurm, workflow_id: int) -> None:
        torc.wait_for_statuses(workflow_id, *names, among={"running"})
        time.sleep(seconds)
        act(torc, workflow_id)
        wait_for_end(torc, workflow_id)

    return intervene


def end_soon(torc: TorcOnSlurm, workflow_id: int) -> None:
    """Slurm looks for what has ended every 30 seconds."""
    _update(torc, workflow_id, "endtime=now+1")


def cancel(torc: TorcOnSlurm, workflow_id: int) -> None:
    torc.cluster.run("scancel", _number(torc, workflow_id))


def cancel_step(torc: TorcOnSlurm, workflow_id: int) -> None:
    """That of the first job; the others go on."""
    first = min(row["id"] for row in torc.jobs(workflow_id).values())
    number = _number(torc, workflow_id)
    torc.cluster.run("scancel", step_of(torc.cluster, number, f"wf{workflow_id}_j{first}_"))


def preempt(torc: TorcOnSlurm, workflow_id: int) -> None:
    node = torc.cluster.run("squeue", "-h", "-j", _number(torc, workflow_id), "-o", "%N").strip()
    torc.cluster.submit("sleep 2", "--exclusive", f"--nodelist={node}")


def fail_node(torc: TorcOnSlurm, workflow_id: int) -> None:
    """Until Slurm has ended the allocation."""
    number = _number(torc, workflow_id)
    node = torc.cluster.run("squeue", "-h", "-j", number, "-o", "%N").strip()
    with torc.cluster.without(node):
        wait_until(lambda: _has_ended(torc, int(number)), f"the failure of {node}", _NODE)
    time.sleep(10)  # Torc's runner may have something to say


def requeue(torc: TorcOnSlurm, workflow_id: int) -> None:
    number = _number(torc, workflow_id)
    torc.cluster.run("scontrol", "requeue", number)
    torc.cluster.wait_for_queue_state(int(number), "PENDING")
    _update(torc, workflow_id, "starttime=now")
    time.sleep(5)


def kill_runner(_torc: TorcOnSlurm, workflow_id: int) -> None:
    """As a node that lacks memory may do."""
    for process in _runners(workflow_id):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def kill_programs(_torc: TorcOnSlurm, workflow_id: int) -> None:
    """Those with the word victim, as a person may do who looks after a node."""
    found: list[int] = []

    def has_begun() -> bool:
        found[:] = _victims(workflow_id)
        return bool(found)

    wait_until(has_begun, "a victim")
    for process in found:
        os.kill(process, signal.SIGKILL)


def _victims(workflow_id: int) -> Iterator[int]:
    """The programs themselves, no shell and no srun that has them among its words."""
    mark = b"\0TORC_WORKFLOW_ID=%d\0" % workflow_id
    for process in _processes(b"victim"):
        folder = Path(f"/proc/{process}")
        with suppress(OSError):
            first = (folder / "cmdline").read_bytes().partition(b"\0")[0]
            if first.endswith(b"python3") and mark in b"\0" + (folder / "environ").read_bytes():
                yield process


def _number(torc: TorcOnSlurm, workflow_id: int) -> str:
    return str(max(torc.allocations(workflow_id)))


def _update(torc: TorcOnSlurm, workflow_id: int, change: str) -> None:
    torc.cluster.run("scontrol", "update", f"jobid={_number(torc, workflow_id)}", change)


def _has_ended(torc: TorcOnSlurm, number: int) -> bool:
    state = torc.cluster.queue_state(number).partition(" ")[0]
    return state not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED")


def _runners(workflow_id: int) -> Iterator[int]:
    for process in _processes(b"torc-slurm-job-runner"):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if words[0].endswith(b"torc-slurm-job-runner") and words[2] == b"%d" % workflow_id:
            yield process


def _processes(word: bytes) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if word in (folder / "cmdline").read_bytes():
                yield int(folder.name)
