"""Lines of Slurm's own in the output of an allocation, and of shells in that of a job."""

import re

_OF_SLURM = re.compile(r"^(?:slurmstepd|srun)\b.*$", re.MULTILINE)
_STEP = re.compile(r"\b(?:StepId=|STEP )(\d+\.\w+)")
_ALLOCATION = re.compile(r"\b(?:StepId=|JobId=|STEP |JOB |Job |job )(\d+)")
_KILLED = re.compile(r"^.*: line \d+:[ \t]+(\d+) Killed\b", re.MULTILINE)


def lines_of_steps(text: str) -> dict[str, str]:
    """What Slurm says of each step that it names, such as ``7.3`` or ``7.batch``."""
    found: dict[str, list[str]] = {}
    for line in _OF_SLURM.findall(text):
        for step in dict.fromkeys(_STEP.findall(line)):
            found.setdefault(step, []).append(line)
    return {step: "\n".join(lines) for step, lines in found.items()}


def allocations_in(line: str) -> frozenset[int]:
    """The numbers of the allocations that a line of Slurm's names."""
    return frozenset(map(int, _ALLOCATION.findall(line)))


def killed_processes(text: str) -> frozenset[int]:
    """The processes of which bash says that they were killed."""
    return frozenset(map(int, _KILLED.findall(text)))
