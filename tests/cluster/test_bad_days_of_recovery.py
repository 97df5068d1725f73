"""Rounds of recovery while something fails: our process, Slurm's daemons, or what a plan asks for.

Torc's own command line submits the first allocation. What comes later is of our commands, behind
wrappers of Slurm's commands that fail in some way.
"""

import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import pytest

from tests.rigs.commands import Command, start
from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_line import Crash, Moment, TorcLine, open_line
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_PROJECT = Path(__file__).parents[2]
_PROGRAM = ("-m", "torc_watch")
# Believes within seconds what it believes after minutes.
_IMPATIENT = """
from torc_watch.engine import allocation_notices
from torc_watch.schedulers.slurm import job_status
allocation_notices._UNCLEAR_AFTER = 1
job_status.DOWN_AFTER = 6
from torc_watch.__main__ import main
main()
"""
_CANCELED = frozenset({"CANCELLED"})
_FAILS_ONCE = 'test "$TORC_RUN_ID" -gt 1'
_UNLESS_TEST = 'case "$*" in *--test-only*) exec "$REAL" "$@";; esac\n'
# Their allocations have 4 CPUs, so each of them needs one of its own.
_TWO_JOBS = [TorcJob(name=name, command=_FAILS_ONCE, num_cpus=4) for name in ("first", "second")]


@dataclass(slots=True)
class Ours:
    """Our commands, behind wrappers of Slurm's commands that are in ``wrappers``."""

    torc: TorcOnSlurm
    stack: ExitStack
    commands: list[Command] = field(default_factory=list)

    @property
    def wrappers(self) -> Path:
        return self.torc.folder / "site"

    def wrap(self, program: str, script: str) -> None:
        """Puts a shell script before a command of Slurm; ``$REAL`` in it is the command itself."""
        self.wrappers.mkdir(exist_ok=True)
        path = self.wrappers / program
        path.touch(0o755)
        real = shutil.which(program, path=self.torc.cluster.environment["PATH"])
        # What runs in an allocation has the environment of sbatch, but none of these wrappers.
        path_variable = f"PATH={self.torc.environment['PATH']}"
        path.write_text(f"#!/bin/sh\nREAL={real}\n{path_variable}\n{script}\n")

    def unwrap(self, program: str) -> None:
        (self.wrappers / program).unlink()

    def start(
        self,
        *words: str | int | Path,
        url: str = "",
        program: Sequence[str] = _PROGRAM,
        before: Sequence[str] = (),
    ) -> Command:
        outer = self.torc.environment
        settings = {
            "PATH": f"{self.wrappers}:{outer['PATH']}",
            "PYTHONPATH": str(_PROJECT),
            "TORC_API_URL": url or self.torc.url,
            "TORC_WATCHD_LEASE_PATIENCE": "4",
            "TORC_WATCHD_HOME": str(self.torc.folder / "home"),
            "TORC_WATCHD_OUTPUT_DIR": str(self.torc.output_folder),
            "TORC_WATCHD_POLL_INTERVAL": "1",
            "TORC_WATCHD_SLURM_QUERY_INTERVAL": "1",
        }
        command = start(
            [*before, sys.executable, *program, *map(str, words)],
            self.torc.folder,
            outer | settings,
        )
        self.stack.callback(self._end, command)
        self.commands.append(command)
        return command

    def watch(self, workflow_id: int, *, url: str = "", impatient: bool = False) -> Command:
        program = ["-c", _IMPATIENT] if impatient else _PROGRAM
        return self.start("watch", workflow_id, "--auto-recover", url=url, program=program)

    def daemon(self, host: str) -> Command:
        """A daemon on a login node of this name, which shares our home with others."""
        named = f'hostname {host} && exec "$@"'
        return self.start("run", before=("unshare", "--uts", "sh", "-c", named, "sh"))

    def _end(self, command: Command) -> None:
        with command.process:  # which closes its pipe
            if command.process.poll() is None:
                command.kill()

    def report(self) -> str:
        """What a test that fails has to show."""
        outputs = [command.output for command in self.commands]
        queue = self.torc.cluster.run("squeue", "--states=all", status=None)
        return "\n".join([*outputs, queue, self.torc.runner_logs()])

    def allocations(self) -> Counter[str]:
        """How many jobs have each token of a round of recovery, but for those never released."""
        return Counter(name for name, *canceled in self.jobs() if not canceled)

    def jobs(self) -> list[list[str]]:
        """The token of each job that has one, and a mark if it was canceled before it began."""
        tokens = {script.stem for script in self.torc.output_folder.glob("tw*.sh")}
        rows = self.torc.cluster.run("squeue", "-h", "--states=all", "--format=%j %T%N")
        jobs = [row.split() for row in rows.splitlines()]
        return [[name, *_CANCELED.intersection(state)] for name, *state in jobs if name in tokens]


@pytest.fixture
def ours(torc: TorcOnSlurm) -> Iterator[Ours]:
    torc.folder.chmod(0o755)
    with ExitStack() as stack:
        ours = Ours(torc, stack)
        yield ours
        stack.close()
        sys.stdout.write(ours.report())  # shown if the test fails


def _failed(
    torc: TorcOnSlurm,
    allocations: TorcAllocations | None = None,
    jobs: Sequence[TorcJob] = _TWO_JOBS,
) -> int:
    """A workflow whose jobs have failed, as they do in the first run."""
    workflow_id = torc.run(specification(jobs, allocations or TorcAllocations()))
    torc.wait_for_statuses(workflow_id)
    torc.wait_for_allocations(workflow_id, "complete")
    return workflow_id


def _let_idle_workers_end(torc: TorcOnSlurm, workflow_id: int) -> None:
    """When all jobs have completed: a runner may take 30 seconds to see that others have."""
    torc.wait_for_statuses(workflow_id, among={"completed"})
    torc.cluster.cancel_all()


_ROW = "POST /torc-service/v1/scheduled_compute_nodes"
# Each process is killed at the next of these, so that the one after it finds what it left. Both
# rows are written at once: one may be there when the process is killed at the other.
_CRASHES: list[tuple[str, Moment, int, set[int]]] = [
    # where, how many allocations of our round there are by then, and how many rows there may be
    ("sbatch", "before", 0, {0}),
    ("sbatch", "after", 1, {0}),
    ("sbatch", "after", 2, {0}),
    (_ROW, "before", 2, {0, 1}),
    (_ROW, "after", 2, {1, 2}),
    ("scontrol", "before", 2, {2}),
    ("scontrol", "after", 2, {2}),
]


def _killed_watch(ours: Ours, line: TorcLine, workflow_id: int, where: str, when: Moment) -> None:
    """Runs a watch until it is killed there."""
    is_command = not where.startswith("POST")
    if is_command:
        real = '"$REAL" "$@"\n' if when == "after" else ""
        ours.wrap(where, f"{_UNLESS_TEST}{real}kill -KILL $PPID\n")
    watch = ours.watch(workflow_id, url=line.url)
    if not is_command:
        line.crash = Crash(watch.process.pid, where, when)
    assert watch.end() == -SIGKILL, watch.output
    if is_command:
        ours.unwrap(where)


def test_process_that_is_killed_anywhere_submits_each_allocation_once(
    ours: Ours, torc: TorcOnSlurm
) -> None:
    workflow_id = _failed(torc)
    before = torc.allocations(workflow_id)
    with open_line(torc.url) as line:
        for where, when, allocations, rows in _CRASHES:
            _killed_watch(ours, line, workflow_id, where, when)
            assert ours.allocations().total() == allocations, (where, when)
            assert len(torc.allocations(workflow_id)) - len(before) in rows, (where, when)

        watch = ours.watch(workflow_id, url=line.url)
        _let_idle_workers_end(torc, workflow_id)
        assert watch.end() == 0, watch.output

    assert list(ours.allocations().values()) == [1, 1]
    assert torc.results(workflow_id) == [
        ("first", 1, "failed", 1),
        ("first", 2, "completed", 0),
        ("second", 1, "failed", 1),
        ("second", 2, "completed", 0),
    ]
    assert "Continuing recovery round 1 at step 'allocate'" in watch.output


# The first allocation of a plan is submitted alone, the other four at once. The third submission of
# those kills our process; they all reach Slurm when the test wants it.
_FOUR_UNDER_WAY = """
case "$*" in *-1.sh) exec "$REAL" "$@";; esac
echo begun >>{begun}
until test $(wc -l <{begun}) = 4; do sleep 0.1; done
case "$*" in *-3.sh) kill -KILL $PPID;; esac
until test -e {go}; do sleep 0.1; done
exec "$REAL" "$@"
"""
# Its successor has submitted three of them again by then, and is about to submit the last.
_LATE = """
case "$*" in *-5.sh) touch {go}; until test $(squeue -h | wc -l) -ge 8; do sleep 0.1; done;; esac
exec "$REAL" "$@"
"""


@pytest.mark.parametrize("late", [False, True])
def test_submissions_under_way_when_a_process_is_killed_run_once(
    ours: Ours, torc: TorcOnSlurm, late: bool
) -> None:
    """They reach Slurm before its successor looks for them, or after."""
    files = {name: torc.folder / name for name in ("begun", "go")}
    jobs = [TorcJob(name=f"job_{n}", command=_FAILS_ONCE) for n in range(5)]
    small = TorcAllocations(mem="500M", extra="--cpus-per-task=1")
    workflow_id = _failed(torc, small, jobs)
    before = torc.allocations(workflow_id)

    ours.wrap("sbatch", _UNLESS_TEST + _FOUR_UNDER_WAY.format(**files))
    assert ours.watch(workflow_id).end() == -SIGKILL
    ours.unwrap("sbatch")
    assert ours.allocations().total() == 1
    if late:
        ours.wrap("sbatch", _UNLESS_TEST + _LATE.format(**files))
    else:
        files["go"].touch()
        wait_until(lambda: ours.allocations().total() == 5, "what was under way")
    watch = ours.watch(workflow_id)
    torc.wait_for_statuses(workflow_id, among={"completed"})
    assert "JobHeldUser" not in torc.cluster.run("squeue", "-h", "-o", "%r")
    torc.cluster.cancel_all()
    assert watch.end() == 0, watch.output

    # Two quick workers may have run all jobs: what was then queued was canceled by the test.
    assert set(ours.allocations().values()) == {1}
    assert len(ours.jobs()) == (9 if late else 5)
    assert len(torc.allocations(workflow_id)) - len(before) == 5
    assert len(torc.results(workflow_id)) == 10


@pytest.mark.parametrize("where", ["sbatch", _ROW])
def test_what_a_killed_process_left_is_canceled_if_the_user_canceled_the_workflow(
    ours: Ours, torc: TorcOnSlurm, where: str
) -> None:
    workflow_id = _failed(torc)
    with open_line(torc.url) as line:
        _killed_watch(ours, line, workflow_id, where, "after")
        torc.torc("cancel", workflow_id, "--no-prompts")

        watch = ours.watch(workflow_id, url=line.url)
        assert watch.end() == 1, watch.output

    assert f"Workflow {workflow_id} was canceled." in watch.output
    assert not torc.cluster.run("squeue", "-h")


def _waits_for(path: Path) -> TorcJob:
    """A job that fails once, and then runs until there is this file."""
    waits = f"{_FAILS_ONCE} && until test -e {path}; do sleep 0.1; done"
    return TorcJob(name="first", command=waits)


def _wait_for(path: Path) -> None:
    wait_until(path.exists, str(path))


def test_nothing_is_decided_while_slurm_does_not_answer(ours: Ours, torc: TorcOnSlurm) -> None:
    """A submission that timed out is looked up; then the controller is down."""
    asked, go, done = (torc.folder / name for name in ("asked", "go", "done"))
    workflow_id = _failed(torc, jobs=[_waits_for(done)])
    wait = f"touch {asked}; until test -e {go}; do sleep 0.1; done"
    ours.wrap("sbatch", f'{_UNLESS_TEST}{wait}\nexec "$REAL" "$@"')

    watch = ours.watch(workflow_id)
    _wait_for(asked)
    torc.cluster.send_signal("slurmctld", SIGSTOP)
    go.touch()
    try:
        watch.until(
            "Slurm does not answer sbatch: sbatch: error: Batch job submission failed: Sock"
        )
    finally:
        torc.cluster.send_signal("slurmctld", SIGCONT)
    watch.until("Recovery initiated")
    torc.wait_for_statuses(workflow_id, among={"running"})
    with torc.cluster.without("slurmctld", SIGTERM):
        watch.until("Unable to contact slurm controller")
    watch.until("succeed again")
    done.touch()

    assert watch.end() == 0
    assert list(ours.allocations().values()) == [1]
    assert "no workers" not in watch.output


def test_recovery_without_accounting(ours: Ours, torc: TorcOnSlurm) -> None:
    """Of an allocation whose worker was killed, and left its job running."""
    command = f"{_FAILS_ONCE} || kill -KILL $PPID"
    job = TorcJob(name="first", command=command)
    with torc.cluster.without("slurmdbd"):
        workflow_id = torc.run(specification([job], TorcAllocations()))
        wait_until(lambda: not torc.cluster.run("squeue", "-h"), "the end of the allocation")
        assert torc.statuses(workflow_id) == {"first": "running"}

        watch = ours.watch(workflow_id, impatient=True)
        watch.until("may have ended or not: Slurm does not answer sacct")
        assert watch.end() == 0

    assert "accounting has not answered for minutes" in watch.output
    assert list(ours.allocations().values()) == [1]


def test_refused_allocation_is_handed_over_until_its_row_is_corrected(
    ours: Ours, torc: TorcOnSlurm
) -> None:
    workflow_id = _failed(torc, TorcAllocations(walltime="00:20:00"))
    (row,) = torc.rows("/slurm_schedulers", workflow_id)
    commands = iter(["watch", "recover", "recover"])
    for change, reason in (
        ({"account": "nobody"}, "Invalid account or account/partition combination specified"),
        ({"qos": "best"}, "Invalid qos specification"),
        ({"qos": "limited"}, "QOSMaxWallDurationPerJobLimit"),
    ):
        torc.ask("PUT", f"/slurm_schedulers/{row['id']}", row | change)
        options = ["--auto-recover"] if (command := next(commands)) == "watch" else []
        refused = ours.start(command, workflow_id, *options)
        assert refused.end() == 1
        assert reason in refused.output
        assert f"until `torc-watchd recover {workflow_id}`" in refused.output
        assert set(torc.statuses(workflow_id).values()) == {"ready"}
        assert not ours.allocations()

    torc.ask("PUT", f"/slurm_schedulers/{row['id']}", row | {"qos": "normal"})
    assert ours.start("recover", workflow_id).end() == 0
    torc.wait_for_statuses(workflow_id, among={"completed"})
    assert list(ours.allocations().values()) == [1, 1]


def test_limit_of_a_qos_cuts_a_plan_short(ours: Ours, torc: TorcOnSlurm) -> None:
    """It lets two jobs be submitted, which run what is planned for four."""
    jobs = [TorcJob(name=f"job_{n}", command=_FAILS_ONCE, num_cpus=2) for n in range(4)]
    limited = TorcAllocations(qos="limited", mem="1000M", extra="--cpus-per-task=2")
    workflow_id = _failed(torc, limited, jobs)

    watch = ours.watch(workflow_id)
    line = watch.until("Submitted 2 of 4 allocations")
    _let_idle_workers_end(torc, workflow_id)

    assert "QOSMaxSubmitJobPerUserLimit" in line
    assert watch.end() == 0
    assert list(ours.allocations().values()) == [1, 1]


def test_allocation_that_never_starts_is_handed_over(ours: Ours, torc: TorcOnSlurm) -> None:
    """Torc submitted it. What `recover` submits in its place is as long as the partition allows."""
    job = TorcJob(name="first", command="true")
    too_long = TorcAllocations(partition="short", walltime="01:00:00")
    workflow_id = torc.run(specification([job], too_long))
    (number,) = torc.allocations(workflow_id)

    watch = ours.watch(workflow_id)
    assert watch.end() == 4
    # Which of the two limits Slurm names depends on which of its schedulers looked last.
    assert re.search(
        rf"Allocation {number}: will never start \((PartitionTimeLimit|PartitionConfig)\)",
        watch.output,
    )

    torc.cluster.run("scancel", str(number))
    recover = ours.start("recover", workflow_id)
    assert recover.end() == 0
    assert torc.wait_for_statuses(workflow_id) == {"first": "completed"}


def test_partition_that_is_down_is_waited_for(ours: Ours, torc: TorcOnSlurm) -> None:
    job = TorcJob(name="first", command="true")
    workflow_id = torc.run(specification([job], TorcAllocations(partition="down")))

    watch = ours.watch(workflow_id)
    line = watch.until("PartitionDown")
    with torc.cluster.without("munged", SIGTERM):  # which is no time to be running: nodes fail
        watch.until("Slurm does not answer squeue")
    watch.until("succeed again")
    torc.cluster.run("scontrol", "update", "partitionname=down", "state=up")
    try:
        assert watch.end() == 0
    finally:
        torc.cluster.run("scontrol", "update", "partitionname=down", "state=down")

    assert "cannot start now (PartitionDown): its partition is closed" in line


def test_commands_of_a_site_that_are_slow_and_talk(ours: Ours, torc: TorcOnSlurm) -> None:
    """Other workflows, and the user's commands, do not wait for them."""
    banner = 'echo "Welcome | to | Stampede3"; echo 2026; echo "7|jobs wait"'
    for program in ("sbatch", "sacct", "scancel", "scontrol", "sinfo"):
        ours.wrap(program, f'{banner}; exec "$REAL" "$@"')
    hold, held, go, done = (torc.folder / name for name in ("hold", "held", "go", "done"))
    waits = f"test -e {held} || echo $$ > {held}; until test -e {go}; do sleep 0.1; done"
    ours.wrap("squeue", f'{banner}; if test -e {hold}; then {waits}; fi; exec "$REAL" "$@"')
    slow, local = _failed(torc, jobs=[_waits_for(done)]), _failed_here(torc)

    daemon = ours.start("run")
    assert ours.start("add", slow, "--auto-recover").end() == 0
    torc.wait_for_statuses(slow, among={"running"})
    hold.touch()
    wait_until(lambda: held.exists() and held.read_text().endswith("\n"), "a squeue that waits")
    assert ours.start("add", local, "--auto-recover").end() == 0
    daemon.until(f"[{local}] Ended: succeeded")
    assert ours.start("list").end() == 0
    os.kill(int(held.read_text()), 0)  # the first squeue still runs: nobody waited for its end
    go.touch()
    done.touch()
    daemon.until(f"[{slow}] Ended: succeeded")

    assert daemon.interrupt(SIGTERM) == 0
    assert list(ours.allocations().values()) == [1]


def _failed_here(torc: TorcOnSlurm) -> int:
    """A workflow without anything of Slurm's, whose job has failed."""
    job = TorcJob(name="here", command="test -e again || { touch again; exit 3; }")
    workflow = specification([job], TorcAllocations(number=0)) | {"slurm_schedulers": []}
    path = torc.folder / "local.yaml"
    path.write_text(json.dumps(workflow))
    workflow_id = torc.create(path)
    torc.try_torc("run", workflow_id, "--output-dir", str(torc.output_folder))
    return workflow_id


@pytest.mark.parametrize("moment", ["before", "after"])
def test_daemon_that_was_suspended_while_it_submits_leaves_no_second_allocation(
    ours: Ours, torc: TorcOnSlurm, moment: Moment
) -> None:
    """Its successor on another login node submits in its place, or finds what was submitted."""
    once, asked, go = (torc.folder / name for name in ("once", "asked", "go"))
    wait = f"touch {asked}; until test -e {go}; do sleep 0.1; done"
    steps = [wait, '"$REAL" "$@"'] if moment == "before" else ['"$REAL" "$@"', wait]
    first_only = f"if mkdir {once} 2>/dev/null; then {'; '.join(steps)}; exit; fi\n"
    ours.wrap("sbatch", f'{_UNLESS_TEST}{first_only}exec "$REAL" "$@"')
    workflow_id = _failed(torc, jobs=[TorcJob(name="first", command=_FAILS_ONCE)])

    first = ours.daemon("login01")
    assert ours.start("add", workflow_id, "--auto-recover").end() == 0
    _wait_for(asked)
    os.kill(first.process.pid, SIGSTOP)
    second = ours.daemon("login02")
    second.until("Ended: succeeded")
    go.touch()
    if moment == "before":
        wait_until(lambda: len(ours.jobs()) == 2, "the late submission")
    os.kill(first.process.pid, SIGCONT)
    first.until("Another torc-watchd of yours has taken over")

    wait_until(lambda: not torc.cluster.run("squeue", "-h"), "no jobs in the queue")
    assert torc.results(workflow_id) == [("first", 1, "failed", 1), ("first", 2, "completed", 0)]
    assert list(ours.allocations().values()) == [1]
