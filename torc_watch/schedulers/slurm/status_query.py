"""The status of many allocations by one squeue and at most one sacct.

One sinfo as well while a node of an ended allocation, which failed, does not answer.
"""

import os
import pwd
from collections.abc import Collection, Mapping

import anyio

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.errors import SchedulerError
from torc_watch.schedulers.slurm.job_record import AccountingAnswer, JobRecord, job_record
from torc_watch.schedulers.slurm.job_status import (
    awaiting_nodes,
    failed_nodes,
    is_alive,
    is_missing,
    is_unaccounted,
    status_of,
)
from torc_watch.schedulers.slurm.job_table import (
    QUEUE_FORMAT,
    JobTable,
    QueueRow,
    parse_accounting,
    parse_queue,
)
from torc_watch.schedulers.slurm.missing_jobs import MissingJobs
from torc_watch.schedulers.slurm.node_table import NODE_OPTIONS, parse_answering_nodes
from torc_watch.schedulers.slurm.slurm_commands import INVALID_NUMBER, NO_ACCOUNTING, run_slurm
from torc_watch.schedulers.slurm.slurm_query import (
    RunSlurm,
    accounting_command,
    ask,
    jobs_option,
)

# The kernel limits how long an argument is. Above it, squeue is asked for all jobs of the user.
_MOST_IN_QUEUE = 1000
_MOST_IN_ACCOUNTING = 10_000
_NOT_ASKED = AccountingAnswer(
    silence=f"accounting is asked for no more than the {_MOST_IN_ACCOUNTING} newest at once"
)


class StatusQuery:
    """Asks Slurm, and remembers what one answer alone cannot tell; one for each scheduler."""

    def __init__(self, run: RunSlurm = run_slurm, *, user: int | None = None) -> None:
        self._run = run
        self._user = os.getuid() if user is None else user
        self._missing = MissingJobs()
        self._unaccounted = MissingJobs()
        self._has_accounting = True

    @property
    def has_accounting(self) -> bool:
        """False once sacct has said that the cluster has none; it is not asked again then."""
        return self._has_accounting

    def are_unaccounted(self, numbers: Collection[int]) -> bool:
        """Whether accounting was down whenever it was asked for these jobs, and last so."""
        return self._unaccounted.since.keys() >= set(numbers)

    async def statuses(self, jobs: Mapping[int, str | None]) -> dict[int, AllocationStatus]:
        """A status for each number, given with the job's name, None where that is not known.

        Raises SchedulerError if squeue does not answer. While accounting does not answer, those
        that squeue has as alive are ALIVE, the others UNKNOWN.
        """
        if not jobs:
            return {}
        queue = await self._queue(jobs)
        records = self._records(jobs, queue, AccountingAnswer(exists=self._has_accounting))
        others = sorted(number for number, record in records.items() if not is_alive(record))
        if others and self._has_accounting:
            newest, rest = others[-_MOST_IN_ACCOUNTING:], others[:-_MOST_IN_ACCOUNTING]
            answer = await self._accounting(newest)
            records |= self._records({number: jobs[number] for number in newest}, queue, answer)
            records |= self._records({number: jobs[number] for number in rest}, queue, _NOT_ASKED)
        statuses = self._decide(records)
        return statuses | await self._awaiting_nodes(records, statuses)

    def _records(
        self,
        jobs: Mapping[int, str | None],
        queue: JobTable[QueueRow],
        accounting: AccountingAnswer,
    ) -> dict[int, JobRecord]:
        return {
            number: job_record(number, name, user=self._user, queue=queue, accounting=accounting)
            for number, name in jobs.items()
        }

    def _decide(self, records: Mapping[int, JobRecord]) -> dict[int, AllocationStatus]:
        now = anyio.current_time()
        missing = [number for number, record in records.items() if is_missing(record)]
        self._missing = self._missing.after(asked=records.keys(), missing=missing, now=now)
        unaccounted = [number for number, record in records.items() if is_unaccounted(record)]
        self._unaccounted = self._unaccounted.after(
            asked=records.keys(), missing=unaccounted, now=now
        )
        return {
            number: status_of(
                record,
                user_name,
                missing_for=self._missing.duration(number, now),
                unaccounted_for=self._unaccounted.duration(number, now),
            )
            for number, record in records.items()
        }

    async def _awaiting_nodes(
        self, records: Mapping[int, JobRecord], statuses: Mapping[int, AllocationStatus]
    ) -> dict[int, AllocationStatus]:
        """The statuses of those that failed nodes may still run: nodes that do not answer Slurm."""
        failed = {
            number: nodes
            for number, status in statuses.items()
            if status.state is AllocationState.GONE and (nodes := failed_nodes(records[number]))
        }
        if not failed:
            return {}
        answering = await self._answering({name for nodes in failed.values() for name in nodes})
        silent = {
            number: tuple(name for name in nodes if name not in answering)
            for number, nodes in failed.items()
        }
        return {
            number: awaiting_nodes(statuses[number], nodes)
            for number, nodes in silent.items()
            if nodes
        }

    async def _answering(self, nodes: Collection[str]) -> frozenset[str]:
        """None of them while Slurm does not say."""
        which = f"--nodes={','.join(sorted(nodes))}"
        try:
            return await ask(parse_answering_nodes, self._run, "sinfo", which, *NODE_OPTIONS)
        except SchedulerError:
            return frozenset()

    async def _queue(self, numbers: Collection[int]) -> JobTable[QueueRow]:
        which = "--me" if len(numbers) > _MOST_IN_QUEUE else jobs_option(numbers)
        try:
            # All states: without them a job that has just ended looks like one that never was.
            return await ask(parse_queue, self._run, "squeue", "--states=all", which, QUEUE_FORMAT)
        except SchedulerError as error:
            if len(numbers) == 1 and INVALID_NUMBER in str(error):
                return JobTable()  # the same answer as none of several numbers, which is no error
            raise

    async def _accounting(self, numbers: Collection[int]) -> AccountingAnswer:
        try:
            table = await ask(parse_accounting, self._run, *accounting_command(numbers))
        except SchedulerError as error:
            self._has_accounting = NO_ACCOUNTING not in str(error)
            exists = self._has_accounting
            return AccountingAnswer(silence=str(error), is_down=exists, exists=exists)
        return AccountingAnswer(table=table)


def user_name(number: int) -> str:
    """That of a user of this machine; the number where it is not known here."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
