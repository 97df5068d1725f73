"""Rounds of recovery while something fails: our process, Slurm's daemons, or what a plan asks for.

Torc's own command line submits the first allocation. What comes later is of our commands, behind
wrappers of Slurm's commands that fail in some way.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.rigs.commands import Command, start
from tests.rigs.torc_line import Crash, Moment, TorcLine, open_line
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_PROJECT = Path(__file__).parents[2]
_FAILS_ONCE = 'test "$TORC_RUN_ID" -gt 1'
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
        path.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")

    def unwrap(self, program: str) -> None:
        (self.wrappers / program).unlink()

    def start(self, *words: str | int | Path, url: str = "") -> Command:
        outer = self.torc.environment
        settings = {
            "PATH": f"{self.wrappers}:{outer['PATH']}",
            "PYTHONPATH": str(_PROJECT),
            "TORC_API_URL": url or self.torc.url,
            "TORC_WATCHD_HOME": str(self.torc.folder / "home"),
            "TORC_WATCHD_OUTPUT_DIR": str(self.torc.output_folder),
            "TORC_WATCHD_POLL_INTERVAL": "1",
            "TORC_WATCHD_SLURM_QUERY_INTERVAL": "1",
        }
        command = start(
            [sys.executable, "-m", "torc_watch", *map(str, words)],
            self.torc.folder,
            outer | settings,
        )
        self.stack.callback(self._end, command)
        self.commands.append(command)
        return command

    def watch(self, workflow_id: int, *options: str, url: str = "") -> Command:
        return self.start("watch", workflow_id, "--auto-recover", *options, url=url)

    def _end(self, command: Command) -> None:
        with command.process:  # which closes its pipe
            if command.process.poll() is None:
                command.kill()

    def report(self) -> str:
        """What a test that fails has to show."""
        outputs = [command.output for command in self.commands]
        queue = self.torc.cluster.run("squeue", "--states=all", status=None)
        return "\n".join([*outputs, queue, self.torc.runner_logs()])

    def allocations(self, workflow_id: int) -> Counter[str]:
        """How many jobs of Slurm have each token that a round of recovery gave."""
        names = self.torc.cluster.run("squeue", "-h", "--states=all", "--format=%j").split()
        return Counter(name for name in names if name.startswith(f"tw{workflow_id}-"))


@pytest.fixture
def ours(torc: TorcOnSlurm) -> Iterator[Ours]:
    torc.folder.chmod(0o755)
    with ExitStack() as stack:
        ours = Ours(torc, stack)
        yield ours
        stack.close()
        sys.stdout.write(ours.report())  # shown if the test fails


def _failed(torc: TorcOnSlurm, allocations: TorcAllocations | None = None) -> int:
    """A workflow whose two jobs have failed, as they do in the first run."""
    workflow_id = torc.run(specification(_TWO_JOBS, allocations or TorcAllocations()))
    torc.wait_for_statuses(workflow_id)
    torc.wait_for_allocations(workflow_id, "complete")
    return workflow_id


def _let_idle_workers_end(torc: TorcOnSlurm, workflow_id: int) -> None:
    """When all jobs have completed: a runner may take 30 seconds to see that others have."""
    torc.wait_for_statuses(workflow_id, among={"completed"})
    torc.cluster.cancel_all()


_ROW = "POST /torc-service/v1/scheduled_compute_nodes"
# Each process is killed at the next of these, so that the one after it finds what it left.
_CRASHES: list[tuple[str, Moment, int, int]] = [
    # where, and how many allocations and rows of our round there are by then
    ("sbatch", "before", 0, 0),
    ("sbatch", "after", 1, 0),
    ("sbatch", "after", 2, 0),
    (_ROW, "before", 2, 0),
    (_ROW, "after", 2, 2),
    ("scontrol", "before", 2, 2),
    ("scontrol", "after", 2, 2),
]


def _killed_watch(ours: Ours, line: TorcLine, workflow_id: int, where: str, when: Moment) -> None:
    """Runs a watch until it is killed there."""
    is_command = not where.startswith("POST")
    if is_command:
        real = '"$REAL" "$@"\n' if when == "after" else ""
        test_only = 'case "$*" in *--test-only*) exec "$REAL" "$@";; esac\n'
        ours.wrap(where, f"{test_only}{real}kill -KILL $PPID\n")
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
            assert ours.allocations(workflow_id).total() == allocations, (where, when)
            assert len(torc.allocations(workflow_id)) - len(before) == rows, (where, when)

        watch = ours.watch(workflow_id, url=line.url)
        _let_idle_workers_end(torc, workflow_id)
        assert watch.end() == 0, watch.output

    assert list(ours.allocations(workflow_id).values()) == [1, 1]
    assert torc.results(workflow_id) == [
        ("first", 1, "failed", 1),
        ("first", 2, "completed", 0),
        ("second", 1, "failed", 1),
        ("second", 2, "completed", 0),
    ]
    assert "Continuing recovery round 1 at step 'allocate'" in watch.output


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
