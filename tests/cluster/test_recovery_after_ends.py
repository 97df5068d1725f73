"""A watch recovers what each end of an allocation leaves behind, or hands it over.

Torc's own command line submits the first allocation, with a script of its own. Its runner reports
nothing when Slurm ends that, so only Slurm says why its jobs never end. What ends later is an
allocation of ours.
"""

import getpass
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from tests.rigs.commands import Command
from tests.rigs.torc_on_slurm import Mode, TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(100)]

_MODES: tuple[Mode, ...] = ("direct", "slurm")
# What a recovered workflow has: its runner has to be done with its jobs before Slurm kills it.
_LEAD: dict[Mode, int | None] = {"direct": 1, "slurm": None}
# In slurm mode it waits for sacct before it reports, for longer than KillWait is here.
_REPORTED: dict[Mode, set[str]] = {"direct": {"terminated"}, "slurm": {"terminated", "running"}}
_HOG = "python3 -c 'bytearray(400 * 2**20)'"

Watch = Callable[[int], Command]


def _in_run(first: str, then: str = "true", *, run: int = 1) -> str:
    """Does ``first`` in this run and in earlier ones, ``then`` in later ones."""
    return f'if [ "$TORC_RUN_ID" -le {run} ]; then {first}; else {then}; fi'


@pytest.fixture
def watch(torc: TorcOnSlurm) -> Iterator[Watch]:
    """Starts a watch that recovers. What it printed is shown if the test fails."""
    ours, started = TorcWatchd(torc), list[Command]()
    with ExitStack() as stack:

        def begin(workflow_id: int) -> Command:
            words = ("watch", workflow_id, "--auto-recover", "--poll-interval", "1")
            started.append(stack.enter_context(ours.running(*words)))
            return started[-1]

        yield begin
    for command in started:
        sys.stdout.write(ours.report(command.output))


def _started(torc: TorcOnSlurm, workflow_id: int, *names: str) -> int:
    """Waits until the jobs run; the number of the allocation that was submitted last."""
    torc.wait_for_statuses(workflow_id, *names, among={"running"})
    return max(torc.allocations(workflow_id))


def _node(torc: TorcOnSlurm, number: int) -> str:
    return torc.cluster.run("squeue", "-h", "-j", str(number), "-o", "%N").strip()


def _lead(torc: TorcOnSlurm, workflow_id: int) -> int | None:
    """``sigterm_lead_seconds`` of a workflow."""
    row = torc.ask("GET", f"/workflows/{workflow_id}")
    lead: int | None = row.get("execution_config", {}).get("sigterm_lead_seconds")
    return lead


def _preempt(torc: TorcOnSlurm, numbers: Sequence[int]) -> None:
    for node in {_node(torc, number) for number in numbers}:
        torc.cluster.submit("sleep 2", "--exclusive", f"--nodelist={node}")


def _end_soon(torc: TorcOnSlurm, number: int, *, seconds: int) -> None:
    """Moves the end of an allocation's time. Slurm looks for what has ended every 30 seconds."""
    torc.cluster.run("scontrol", "update", f"jobid={number}", f"endtime=now+{seconds}")


def _require_cgroups(torc: TorcOnSlurm) -> None:
    if torc.cluster.memory_enforcement != "cgroup":
        pytest.skip("without cgroups no job ends as OUT_OF_MEMORY")


def test_walltime_of_torcs_own_allocations(torc: TorcOnSlurm, watch: Watch) -> None:
    """A job that had all its run time gets more; one that began late runs again as it is."""
    jobs = [
        TorcJob(name="long", command=_in_run("sleep 900"), runtime="PT10S"),
        TorcJob(name="late", command=_in_run("sleep 900"), runtime="PT2M"),
    ]
    ids = [torc.run(specification(jobs, TorcAllocations(), mode=mode)) for mode in _MODES]
    numbers = [_started(torc, workflow_id) for workflow_id in ids]
    commands = [watch(workflow_id) for workflow_id in ids]

    for number in numbers:
        _end_soon(torc, number, seconds=10)

    for workflow_id, number, command in zip(ids, numbers, commands, strict=True):
        assert command.end() == 0
        assert "(long): Timeout detected" in command.output
        # What Slurm ended first, the allocation or the job's step in it.
        reason = rf"interrupted \((its step in )?allocation {number} ran out of time"
        assert re.search(rf"\(late\): {reason}", command.output)
        assert torc.results(workflow_id) == [
            ("late", 1, "failed", -128),
            ("late", 2, "completed", 0),
            ("long", 1, "failed", 152),
            ("long", 2, "completed", 0),
        ]


@pytest.mark.parametrize("mode", _MODES)
def test_canceled_allocation_hands_the_workflow_over(
    torc: TorcOnSlurm, watch: Watch, mode: Mode
) -> None:
    """Also by the user who watches: whoever cancels an allocation means it.

    In direct mode the runner of the second one, which is ours, reports the job that it had to stop.
    """
    jobs = [TorcJob(name="a", command="sleep 900", runtime="PT2M")]
    workflow_id = torc.run(specification(jobs, TorcAllocations(), mode=mode))
    assert _lead(torc, workflow_id) is None
    for run in (1, 2):
        number = _started(torc, workflow_id)
        command = watch(workflow_id)
        command.until("Watching workflow")

        torc.cluster.run("scancel", str(number))

        assert command.end() == 1
        assert f"Allocation {number} was canceled by {getpass.getuser()}" in command.output
        assert f"torc-watchd recover {workflow_id}" in command.output
        assert len(torc.allocations(workflow_id)) == run
        if run == 1:
            assert torc.statuses(workflow_id) == {"a": "running"}
            TorcWatchd(torc).run("recover", workflow_id)
            assert _lead(torc, workflow_id) == _LEAD[mode]
    assert torc.statuses(workflow_id)["a"] in _REPORTED[mode]


def test_preemption_then_the_walltime_of_our_own_allocations(
    torc: TorcOnSlurm, watch: Watch
) -> None:
    """Slurm wakes the runner in time, which reports what it had to stop."""
    job = TorcJob(name="a", command=_in_run("sleep 900", run=3), runtime="PT2M")
    place = TorcAllocations(partition="preemptible")
    ids = [torc.run(specification([job], place, mode=mode)) for mode in _MODES]
    commands = [watch(workflow_id) for workflow_id in ids]

    preempted = list[list[int]]()
    for _ in range(2):  # Torc's own allocations, then ours
        preempted.append([_started(torc, workflow_id) for workflow_id in ids])
        _preempt(torc, preempted[-1])
        for command in commands:
            command.until("Recovery initiated")
    for workflow_id in ids:
        _end_soon(torc, _started(torc, workflow_id), seconds=62)

    for workflow_id, mode, command in zip(ids, _MODES, commands, strict=True):
        assert command.end() == 0
        for numbers in preempted:
            reason = rf"(stopped because )?allocation {numbers[_MODES.index(mode)]} was preempted"
            assert re.search(rf"interrupted \({reason}\), retrying", command.output)
        assert "interrupted (stopped because its worker had to leave), retrying" in command.output
        assert command.output.count("Set sigterm_lead_seconds to 1") == (mode == "direct")
        [one, two, three, four] = torc.results(workflow_id)
        assert (one, four) == (("a", 1, "failed", -128), ("a", 4, "completed", 0))
        assert two[2] == "terminated" or (mode, two) == ("slurm", ("a", 2, "failed", -128))
        assert three[:3] == ("a", 3, "terminated")


_BEAT = "while true; do date >beat; sleep 0.2; done"


def _beats(torc: TorcOnSlurm) -> bool:
    """Whether a job that does _BEAT is alive."""
    beat = torc.folder / "beat"
    before = beat.stat().st_mtime_ns
    time.sleep(1)
    return beat.stat().st_mtime_ns > before


def test_failed_node_is_awaited_because_its_jobs_live_on(torc: TorcOnSlurm, watch: Watch) -> None:
    job = TorcJob(name="a", command=_in_run(_BEAT), runtime="PT2M")
    workflow_id = torc.run(specification([job], TorcAllocations()))
    number = _started(torc, workflow_id)
    node = _node(torc, number)
    command = watch(workflow_id)

    with torc.cluster.without(node):
        command.until(f"Node {node} failed and may still run jobs.")
        assert torc.statuses(workflow_id) == {"a": "running"}
        assert _beats(torc)
    assert command.end() == 0

    assert f"interrupted (allocation {number} lost a node that failed)" in command.output
    [one, two] = torc.results(workflow_id)
    # The runner lives on too: it may still report that its job was killed.
    assert one in {("a", 1, "failed", -128), ("a", 1, "failed", 137)}
    assert two == ("a", 2, "completed", 0)
    assert not _beats(torc)


def test_memory_of_the_allocation(torc: TorcOnSlurm, watch: Watch) -> None:
    """In direct mode the limit of the whole allocation is the only one."""
    _require_cgroups(torc)
    jobs = [
        TorcJob(name="large", command=_in_run(_HOG)),
        TorcJob(name="small", command="sleep 5"),
    ]
    workflow_id = torc.run(
        specification(jobs, TorcAllocations(mem="250M"), execution={"limit_resources": False})
    )
    [number] = torc.allocations(workflow_id)
    command = watch(workflow_id)

    assert command.end() == 0
    assert torc.cluster.wait_for_end(number)[0] == f"{number}|OUT_OF_MEMORY|0:125"
    assert "Job 1 (large): OOM detected, increasing memory 100m -> 150m" in command.output
    assert torc.results(workflow_id) == [
        ("large", 1, "failed", 137),
        ("large", 2, "completed", 0),
        ("small", 1, "completed", 0),
    ]


def test_memory_of_a_step_whose_script_succeeds(torc: TorcOnSlurm, watch: Watch) -> None:
    """The step's end counts, not what the script makes of the end of its program."""
    _require_cgroups(torc)
    job = TorcJob(name="a", command=_in_run(f"{_HOG}; exit 0"))
    workflow_id = torc.run(specification([job], TorcAllocations(), mode="slurm"))
    command = watch(workflow_id)

    assert command.end() == 0
    assert "Job 1 (a): OOM detected, increasing memory 100m -> 150m" in command.output
    assert torc.results(workflow_id) == [("a", 1, "failed", 137), ("a", 2, "completed", 0)]


def test_requeued_allocation_leaves_the_jobs_of_its_first_life(
    torc: TorcOnSlurm, watch: Watch
) -> None:
    """The second life finds no job to run, and ends in order."""
    job = TorcJob(name="a", command=_in_run("sleep 900"), runtime="PT2M")
    allocations = TorcAllocations(extra="--cpus-per-task=4 --requeue")
    workflow_id = torc.run(specification([job], allocations))
    number = _started(torc, workflow_id)
    command = watch(workflow_id)

    torc.cluster.run("scontrol", "requeue", str(number))
    torc.cluster.wait_for_queue_state(number, "PENDING")
    torc.cluster.run("scontrol", "update", f"jobid={number}", "starttime=now")

    assert command.end() == 0
    assert "Job 1 (a): interrupted (" in command.output
    assert torc.results(workflow_id) == [("a", 1, "failed", -128), ("a", 2, "completed", 0)]
