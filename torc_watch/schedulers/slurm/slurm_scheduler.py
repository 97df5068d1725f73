"""Allocations that are jobs of Slurm.

An allocation's token is the name of its job, so that anybody finds it again: in squeue, and after
its end in accounting. A job is submitted held, and released when Torc's server has its row.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from errno import EDQUOT, ENOSPC
from operator import itemgetter
from pathlib import Path

from anyio import to_thread

from torc_watch.core.allocation import AllocationSpec, AllocationStatus, NodeClass, StepEnd
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.core.os_errors import describe_os_error
from torc_watch.host.subprocesses import run_command
from torc_watch.schedulers.base import EndedAttempts, WorkerAssignment
from torc_watch.schedulers.slurm.cluster_query import (
    current_user,
    query_node_classes,
    query_settings,
)
from torc_watch.schedulers.slurm.cluster_settings import ClusterSettings
from torc_watch.schedulers.slurm.job_names import JobNames
from torc_watch.schedulers.slurm.job_script import CLAIM_PAUSE, RunnerSettings, job_script
from torc_watch.schedulers.slurm.job_status import step_ends
from torc_watch.schedulers.slurm.remnant_query import end_remnants
from torc_watch.schedulers.slurm.slurm_commands import (
    INVALID_NUMBER,
    NO_ACCOUNTING,
    advice,
    run_slurm,
)
from torc_watch.schedulers.slurm.slurm_query import ask
from torc_watch.schedulers.slurm.start_estimate import expected_start
from torc_watch.schedulers.slurm.status_query import StatusQuery, user_name
from torc_watch.schedulers.slurm.step_query import query_steps
from torc_watch.schedulers.slurm.submission_table import (
    ENDED_NAMES,
    HELD_JOBS,
    QUEUED_NAMES,
    parse_ended_names,
    parse_held,
    parse_queued_names,
    submitted_number,
)

# How far back accounting is asked for a token. A round is not continued after so long a time.
_LONGEST_ROUND = "now-14days"
_USER = f"--user={os.getuid()}"


class SlurmScheduler:
    """The cluster that the commands on the PATH speak to.

    ``names`` is the file of the numbers that it gave to our allocations.
    """

    type = "slurm"

    def __init__(self, names: Path, runner: RunnerSettings) -> None:
        self._names = JobNames(names)
        self._runner = runner
        self._status_query = StatusQuery()
        self._accepted: set[AllocationSpec] = set()  # without their tokens
        self._too_narrow: set[AllocationSpec] = set()  # the same: without nodes that it needs
        self._settings: ClusterSettings | None = None  # when they are known

    async def node_classes(self) -> tuple[NodeClass, ...]:
        user = await to_thread.run_sync(current_user)
        return await query_node_classes(await self._known_settings(), user.groups)

    async def cluster_name(self) -> str:
        return (await self._known_settings()).name

    async def kill_wait(self) -> int | None:
        return (await self._known_settings()).kill_wait

    async def expected_start(self, spec: AllocationSpec) -> datetime | None:
        return await expected_start(spec)

    async def find(self, tokens: Collection[str]) -> dict[str, int]:
        """By their names. Raises SchedulerError where that cannot be known.

        While accounting is down, what is remembered is enough: a job that was not remembered was
        not released, so that squeue still has it.
        """
        names = f"--name={','.join(sorted(tokens))}"
        squeue = ("squeue", "--states=all", _USER, names, QUEUED_NAMES)
        jobs = await ask(parse_queued_names, run_slurm, *squeue)
        found = {name: each.number for name, each in jobs.items()}
        await _cancel_held([number for each in jobs.values() for number in each.duplicates])
        if not found.keys() >= set(tokens):
            found = await self._find_ended(tokens, names) | found
        await self._remember(found)
        return dict(sorted(found.items(), key=itemgetter(1)))

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        """Submits a held job. Raises SchedulerError with Slurm's reason for a refusal.

        Where Slurm has no nodes but those that are excluded, or not all of them, none is excluded.
        """
        if _alike(spec) in self._too_narrow:
            spec = replace(spec, excluded_nodes=())
        text = job_script(spec, work, await self._settings_of_runner(work))
        script = await to_thread.run_sync(_write_script, work.output_dir / f"{spec.token}.sh", text)
        try:
            await self._test(spec, script)
            answer = await run_slurm("sbatch", "--parsable", "--hold", str(script))
        except SchedulerUnreachable:
            raise
        except SchedulerError as error:
            if spec.excluded_nodes:
                self._too_narrow.add(_alike(spec))
                return await self.submit(spec, work)
            reason = str(error).removesuffix(advice("sbatch"))
            raise SchedulerError(
                f"Slurm refused an allocation: {reason} Its script is {script}. Correct the "
                "workflow's Slurm scheduler on the server, or have the limit raised; the jobs "
                f"stay as they are until `torc-watchd recover {work.workflow_id}`."
            ) from error
        number = submitted_number(answer)
        await self._remember({spec.token: number})
        return number

    async def release(self, numbers: Sequence[int]) -> None:
        """Raises SchedulerError for one that stays held."""
        if not numbers:
            return
        listed = ",".join(map(str, numbers))
        try:
            await ask(str, run_slurm, "scontrol", "release", listed)
        except SchedulerUnreachable:
            raise
        except SchedulerError:  # also for one that was released before, and has started or ended
            held = await ask(parse_held, run_slurm, "squeue", _USER, HELD_JOBS)
            if held := held & set(numbers):
                raise SchedulerError(
                    f"Slurm does not release the held jobs {sorted(held)}. Release them with: "
                    f"scontrol release {listed}"
                ) from None

    async def statuses(self, numbers: Collection[int]) -> Mapping[int, AllocationStatus]:
        names = await self._known_names()
        return await self._status_query.statuses({number: names.get(number) for number in numbers})

    async def steps(self, numbers: Collection[int]) -> dict[int, Mapping[str, StepEnd]]:
        try:
            rows = await query_steps(numbers)
        except SchedulerError as error:
            if NO_ACCOUNTING in str(error) or self._status_query.are_unaccounted(numbers):
                return {}
            raise
        return {number: step_ends(steps, user_name) for number, steps in rows.items()}

    async def cancel(self, number: int) -> None:
        name = (await self._known_names()).get(number)
        only = [f"--name={name}"] if name else []
        try:
            await ask(str, run_slurm, "scancel", _USER, *only, str(number))
        except SchedulerError as error:
            if INVALID_NUMBER not in str(error):  # said of one that has ended
                raise

    async def end_remnants(self, number: int, attempts: EndedAttempts) -> int:
        """Raises SchedulerError where something may be left."""
        return await end_remnants(number, attempts)

    async def _known_settings(self) -> ClusterSettings:
        """They are asked for once: administrators rarely change them."""
        if self._settings is None:
            self._settings = await query_settings()
        return self._settings

    async def _test(self, spec: AllocationSpec, script: Path) -> None:
        """Slurm takes any held job, and leaves one pending for ever that fits no node."""
        if _alike(spec) not in self._accepted:
            await run_slurm("sbatch", "--test-only", str(script))
            self._accepted.add(_alike(spec))

    async def _find_ended(self, tokens: Collection[str], names: str) -> dict[str, int]:
        sacct = ("sacct", "--parsable2", "--allocations", _USER, names, ENDED_NAMES)
        try:
            return await ask(parse_ended_names, run_slurm, *sacct, f"--starttime={_LONGEST_ROUND}")
        except SchedulerUnreachable:
            return await self._remembered(tokens)
        except SchedulerError as error:
            if NO_ACCOUNTING in str(error):
                return {}
            raise

    async def _remembered(self, tokens: Collection[str]) -> dict[str, int]:
        names = await self._known_names()
        return {name: number for number, name in names.items() if name in tokens}

    async def _remember(self, numbers: Mapping[str, int]) -> None:
        names = {number: token for token, number in numbers.items()}
        try:
            await to_thread.run_sync(self._names.remember, names)
        except OSError as error:
            raise SchedulerUnreachable(f"The numbers of jobs cannot be kept: {error}.") from error

    async def _known_names(self) -> Mapping[int, str]:
        try:
            return await to_thread.run_sync(self._names.read)
        except OSError as error:
            raise SchedulerUnreachable(f"The numbers of jobs cannot be read: {error}.") from error

    async def _settings_of_runner(self, work: WorkerAssignment) -> RunnerSettings:
        runner = self._runner
        if work.connection.password is not None and runner.password_file is None:
            raise SchedulerError(
                "The workers of an allocation need the password of the Torc server. Write it into "
                "a file that only you can read, and set password_file to its path: a password in "
                "the environment would be visible in the job."
            )
        if runner.has_claim_pause is None:
            usage = await run_command(*runner.command, "--help")
            runner = replace(runner, has_claim_pause=CLAIM_PAUSE in usage.stdout)
            self._runner = runner
        return runner


def _alike(spec: AllocationSpec) -> AllocationSpec:
    """What allocations of which Slurm says the same have in common.

    With excluded nodes it is that of one round: which others are in service may change.
    """
    stem = spec.token.rpartition("-")[0] if spec.excluded_nodes else ""
    return replace(spec, token=stem)


async def _cancel_held(numbers: Sequence[int]) -> None:
    if numbers:
        await ask(str, run_slurm, "scancel", _USER, *map(str, numbers))


def _write_script(path: Path, text: str) -> Path:
    """Only for the user, who may read it, and submit it again.

    Raises SchedulerError; SchedulerUnreachable where there is no room: it may pass.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o700)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        text = f"The script {path} cannot be written: {describe_os_error(error)}"
        is_full = error.errno in (EDQUOT, ENOSPC)
        raise (SchedulerUnreachable if is_full else SchedulerError)(text) from error
    return path
