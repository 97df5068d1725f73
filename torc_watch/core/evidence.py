"""What is known of a failed job."""

from collections.abc import Iterator
from dataclasses import dataclass

from torc_watch.core import units
from torc_watch.core.allocation import StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.fact import Fact, Source
from torc_watch.core.job_request import request_of
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import TORCS_KILL_CODES, Job, JobResult, KillCodes, Requirements
from torc_watch.core.return_code import exit_phrase
from torc_watch.core.worker_end import WorkerEnd

_MOST_FILES = 3  # that are missing, as facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the server knows about a failed job: its last result and its requirements.

    ``worker`` is the end of the worker that reported the result, where that may explain it.
    ``is_step`` says that it was a step of its allocation, whose return code is Slurm's word, and
    ``step`` is the end of that, where Slurm could tell. ``clues`` are what its output says, files
    in the order of trust; ``beside`` is what Slurm says of the step that it shares with other jobs.
    ``silence`` is why its output says nothing, if that is known. ``kills`` are of processes that
    were, or may have been, its own. ``node`` is the name of the node that it ran on, as the
    scheduler has it. ``full_folder`` is that of its output, which is empty, where nothing can be
    written into it, and ``missing_outputs`` are files that it declares: see `is_unexplained`.
    """

    job: Job
    result: JobResult | None
    requirements: Requirements | None
    kill_codes: KillCodes = TORCS_KILL_CODES
    worker: WorkerEnd | None = None
    is_step: bool = False
    step: StepEnd | None = None
    clues: tuple[Clue, ...] = ()
    beside: tuple[Clue, ...] = ()
    silence: Fact | None = None
    kills: tuple[MemoryKill, ...] = ()
    node: str | None = None
    full_folder: str | None = None
    missing_outputs: tuple[str, ...] = ()


def facts_of(evidence: Evidence) -> Iterator[Fact]:
    """In the order of trust."""
    worker, step, result = evidence.worker, evidence.step, evidence.result
    if worker is not None and worker.allocation is not None and worker.cause is not None:
        yield Fact(source=Source.ALLOCATION, text=worker.phrase)
    if step is not None and step.detail:
        yield Fact(source=Source.STEP, text=step.detail)
    clues = [clue for clue in evidence.clues if clue.weight is not Weight.ECHO]
    by_slurm = (clue for clue in clues if clue.weight is Weight.SCHEDULER)
    yield from map(_fact, (*by_slurm, *evidence.beside))
    for kill in evidence.kills:
        yield Fact(source=Source.KERNEL, text=kill.line, file=kill.file, cause=Cause.OOM)
    yield from (_fact(clue) for clue in clues if clue.weight is not Weight.SCHEDULER)
    if evidence.silence is not None:
        yield evidence.silence
    if evidence.full_folder is not None:
        text = f"it is empty, and {evidence.full_folder} has no room"
        yield Fact(source=Source.OUTPUT, text=text, cause=Cause.FILE_SYSTEM_FULL)
    for path in evidence.missing_outputs[:_MOST_FILES]:
        text = "an output file that it declares is missing"
        yield Fact(source=Source.OUTPUT, text=text, file=path, cause=Cause.INPUT)
    if result is not None:
        yield Fact(source=Source.EXIT_CODE, text=exit_phrase(result.return_code))
        yield Fact(source=Source.USAGE, text=_usage(evidence, result))


def _fact(clue: Clue) -> Fact:
    source = Source.SLURMSTEPD if clue.weight is Weight.SCHEDULER else Source.OUTPUT
    return Fact(source=source, text=f"{clue.says}: {clue.line}", file=clue.file, cause=clue.cause)


def _usage(evidence: Evidence, result: JobResult) -> str:
    """What was measured, beside what was requested. Torc counts how long it waits for sacct."""
    request = request_of(evidence.requirements)
    seconds = evidence.step.seconds if evidence.step else None
    ran = f"ran {units.duration_text(result.exec_seconds if seconds is None else seconds)}"
    used = f"peak memory {units.rounded_memory(result.peak_memory)}" if result.peak_memory else ""
    if request is not None:
        ran = f"{ran} of its {units.duration_text(request.runtime)}"
        used = f"{used} of its {units.format_memory(request.memory)}" if used else ""
    return ", ".join(filter(None, (ran, used)))
