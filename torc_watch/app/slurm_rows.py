"""The rows under which the allocations of a plan are asked for."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from torc_watch.core.errors import InvalidInput
from torc_watch.planner.cluster_plan import AllocationGroup
from torc_watch.torc.requests import NewSlurmScheduler

# What the plan says, and what Torc allows nobody to put there.
_PLANNED = frozenset(
    {
        *("account", "partition", "qos", "nodes", "walltime", "time", "mem", "gres", "name"),
        *("job-name", "cpus-per-task", "ntasks-per-node", "exclusive", "ntasks"),
        *("mem-per-cpu", "mem-per-gpu", "gpus", "gpus-per-node", "gpus-per-task"),
    }
)
_PLANNED_LETTERS = frozenset("AGJNcnpqt")  # sbatch's short options for some of these


def scheduler_row(
    group: AllocationGroup, name: str, more_options: tuple[str, ...] = ()
) -> NewSlurmScheduler:
    shape = group.shape
    return NewSlurmScheduler(
        name=name,
        account=group.account,
        partition=group.partition,
        qos=group.qos,
        num_cpus=shape.num_cpus,
        memory=shape.memory,
        num_gpus=shape.num_gpus,
        gpu_type=group.gpu_type,
        num_nodes=shape.num_nodes,
        runtime=shape.runtime or 0,
        is_serialized=group.is_serialized,
        extra=(*(("--exclusive",) if group.is_exclusive else ()), *more_options),
    )


def default_options(slurm_defaults: object) -> tuple[str, ...]:
    """The options of sbatch in a workflow's ``slurm_defaults``, but for those of the plan.

    A value of null or false leaves its option out; 0 is a value.
    """
    if not isinstance(slurm_defaults, Mapping):
        return ()
    values = {str(name).replace("_", "-"): value for name, value in slurm_defaults.items()}
    return tuple(
        _option(name, value)
        for name, value in values.items()
        if name not in _PLANNED and value is not None and value is not False
    )


def carried_options(options: Sequence[str]) -> tuple[str, ...]:
    """The options of an earlier row, but for those of the plan. Raises InvalidInput."""
    kept: list[str] = []
    skips_value = False
    for word in _words(" ".join(options)):
        if skips_value:
            skips_value = False
        elif word[:1] == "-" and word[1:2] in _PLANNED_LETTERS:
            skips_value = len(word) == len("-c")  # else the value is attached
        elif word.lstrip("-").partition("=")[0] in _PLANNED:
            skips_value = "=" not in word and word != "--exclusive"
        else:
            kept.append(shlex.quote(word))
    return tuple(kept)


def _words(options: str) -> list[str]:
    try:
        return shlex.split(options)
    except ValueError as error:
        raise InvalidInput(
            f"The options {options!r} of a Slurm scheduler of the workflow cannot be read: {error}."
        ) from error


def _option(name: str, value: Any) -> str:
    return f"--{name}" if value is True else f"--{name}={shlex.quote(str(value))}"
