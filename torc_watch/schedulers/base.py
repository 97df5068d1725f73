"""The port: what the engine asks of a scheduler, and of the machine that it runs on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    NodeClass,
    StepEnd,
)
from torc_watch.core.model import ComputeNode
from torc_watch.torc.transport import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAssignment:
    """Which workflow the workers of an allocation serve, on which server.

    ``submitted_from`` is the folder from which the workflow was submitted, if the server knows.

    ``scheduler_config_id`` is the server's row that the allocation is recorded under.
    ``wait_for_new_jobs`` is after how many seconds without jobs the workers leave.
    """

    connection: Connection
    workflow_id: int
    scheduler_config_id: int
    output_dir: Path
    submitted_from: Path | None = None
    wait_for_new_jobs: int | None = None

    @property
    def directory(self) -> Path:
        """Where its jobs are run. Torc's folder of outputs is in it unless the user chose one."""
        return self.submitted_from or self.output_dir.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempts:
    """Attempts of one run, each with a result: its job by ID, and which it was.

    ``server`` is a normalized URL.
    """

    server: str
    workflow_id: int
    run_id: int
    attempts: Mapping[int, int]


class Scheduler(Protocol):
    """One scheduler of a cluster. Every method raises SchedulerError.

    An allocation is known by its number alone, because that is all that Torc's server keeps of one
    that another program submitted. A scheduler that may use a number twice, as Slurm does after a
    crash of its controller, remembers which token got which number, and answers for a number under
    which it finds another's job what it would answer for one that it does not find.
    """

    @property
    def type(self) -> str:
        """What Torc calls it in rows of allocations: ``scheduler_type``."""

    async def node_classes(self) -> tuple[NodeClass, ...]:
        """What kinds of nodes there are, at least one."""

    async def cluster_name(self) -> str:
        """What tells its nodes from nodes of other clusters that have the same names."""

    async def kill_wait(self) -> int | None:
        """The seconds between SIGTERM and SIGKILL when it ends an allocation.

        None where it leaves the end of jobs to their worker.
        """

    async def expected_start(self, spec: AllocationSpec) -> datetime | None:
        """When it would start if it were submitted now, aware; None where that is not known.

        Submits nothing, and raises nothing.
        """

    async def find(self, tokens: Collection[str]) -> Mapping[str, int]:
        """The numbers of those that were submitted with these tokens, alive or ended, by anybody.

        Also of those whose submission was not answered, and of those of a process that crashed. Of
        several with one token, as of a process that was suspended while it submitted and its
        successor, one alone stays, the same for everybody who asks.
        """

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        """Submits one allocation and returns its number; the caller has not found its token.

        It may wait for its ``release``, so that its worker finds the server's row of it. Raises
        SchedulerUnreachable where it is not known whether it was submitted: find tells.
        """

    async def release(self, numbers: Sequence[int]) -> None:
        """Lets submitted allocations start. May be repeated."""

    async def statuses(self, numbers: Collection[int]) -> Mapping[int, AllocationStatus]:
        """A status for each number, by one query however many there are. Changes nothing.

        GONE only for an allocation that surely ended, and then with all that will ever be known of
        its end: it is not asked for again.
        """

    async def steps(self, numbers: Collection[int]) -> Mapping[int, Mapping[str, StepEnd]]:
        """How the steps of ended allocations ended, by their names, by one query.

        Of a requeued allocation those of all its lives. Those without steps may be left out.
        """

    async def cancel(self, number: int) -> None:
        """Ends an allocation, and what one that is gone left running."""

    async def end_remnants(self, number: int, attempts: EndedAttempts) -> int:
        """Kills what is left of attempts in an allocation that is alive; how many processes.

        May be repeated. Raises SchedulerError where something may be left, as far as that can be
        known: what cleared its environment is not found.
        """


class Machine(Protocol):
    """The machine that this program runs on: workers outside of allocations, and orphans."""

    async def worker_state(self, node: ComputeNode, workflow_id: int) -> AllocationState | None:
        """Of a worker that no scheduler knows; None where that is on another machine."""

    async def end_orphan_processes(
        self, server: str, workflow_id: int, job_ids: Iterable[int]
    ) -> int:
        """Kills what dead workers left running here of these jobs; how many processes that were.

        ``server`` is a normalized URL. Raises SchedulerError when something does not end.
        """

    async def end_remnants(self, attempts: EndedAttempts) -> int:
        """Kills what is left of attempts here, as that of Scheduler does."""
