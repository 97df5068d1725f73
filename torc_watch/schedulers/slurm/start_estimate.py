"""When an allocation would begin, by `sbatch --test-only`, which submits nothing.

A refusal is certain. That Slurm would take it proves little: it also says so of a time over the
limit of a partition or a QOS, and of a partition that is DOWN.
"""

import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import anyio

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import SchedulerCommandMissing, SchedulerError, SchedulerUnreachable
from torc_watch.schedulers.slurm.job_script import size_options
from torc_watch.schedulers.slurm.slurm_commands import advice, run_for_messages
from torc_watch.torc.requests import NewSlurmScheduler

# sbatch: Job 12 to start at 2026-11-29T06:00:00 using 4 processors on nodes n1 in partition short
_START = re.compile(r"\bto start at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\b", re.ASCII)
_SOON = 10.0  # seconds for an answer without which a plan can do
_PREFIX = re.compile(r"^(?:sbatch failed with status \d+: )?", re.ASCII)
_ERROR = re.compile(
    r"(?:sbatch|allocation failure): (?:error: )?(?:Batch job submission failed: )?"
)


@dataclass(frozen=True, slots=True)
class StartEstimate:
    """``begins`` is aware; None where Slurm does not say. ``refusal`` is empty if it does not."""

    begins: datetime | None = None
    refusal: str = ""


async def estimate_start(row: NewSlurmScheduler) -> StartEstimate:
    """What Slurm says of one allocation under this row.

    Raises SchedulerUnreachable, and SchedulerCommandMissing.
    """
    return await _estimate(trial_command(row))


async def expected_start(spec: AllocationSpec) -> datetime | None:
    """When this allocation would begin; None where Slurm does not say, or not soon."""
    command = ("sbatch", "--test-only", *allocation_options(spec), "--wrap=hostname")
    with anyio.move_on_after(_SOON), suppress(SchedulerError):
        return (await _estimate(command)).begins
    return None


def allocation_options(spec: AllocationSpec) -> tuple[str, ...]:
    """Each as one argument: as directives of a script they may be several words."""
    carried = (word for option in spec.options for word in _words(option))
    return (*carried, *size_options(spec))


def _words(option: str) -> list[str]:
    try:
        return shlex.split(option)
    except ValueError:  # sbatch reads its directives in another way
        return [option]


async def _estimate(command: tuple[str, ...]) -> StartEstimate:
    try:
        messages = await run_for_messages(*command)
    except (SchedulerUnreachable, SchedulerCommandMissing):
        raise
    except SchedulerError as error:
        return StartEstimate(refusal=_reason(str(error)))
    return StartEstimate(begins=parse_start(messages))


def trial_command(row: NewSlurmScheduler) -> tuple[str, ...]:
    options = {
        "account": row.account,
        "partition": row.partition,
        "qos": row.qos,
        "gres": row.gres,
        "mem": row.mem,
        "nodes": str(row.num_nodes),
        "ntasks-per-node": "1",
        "time": row.walltime,
    }
    given = (f"--{name}={text}" for name, text in options.items() if text)
    extra = shlex.split(row.extra_line)
    return ("sbatch", "--test-only", *given, *extra, "--wrap=hostname")


def parse_start(messages: str) -> datetime | None:
    """sbatch prints local time."""
    match = _START.search(messages)
    return datetime.fromisoformat(match[1]).astimezone() if match else None


def _reason(message: str) -> str:
    """Slurm's own words: ``Requested node configuration is not available``."""
    text = _PREFIX.sub("", message.removesuffix(advice("sbatch")))
    return _ERROR.sub("", text).strip(" .")
