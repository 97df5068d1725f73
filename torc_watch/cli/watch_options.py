"""The options of a watch, declared once for all commands that have them."""

import inspect
import math
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from torc_watch.cli.options import at_least, positive, walltime_seconds
from torc_watch.core.recovery_round import (
    DEFAULT_MAX_ALLOCATIONS,
    DEFAULT_MAX_RETRIES,
    DEFAULT_MULTIPLIER,
)
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.daemon.commands import (
    DEFAULT_OUTPUT_DIR,
    DEFAULT_POLL_INTERVAL,
    OPTION_NAMES,
    WatchOptions,
    is_partition_name,
)


def above_one(value: float | None) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value) or value <= 1:
        raise typer.BadParameter(
            f"{value:g} would not raise anything: give a number above 1, such as 1.5."
        )
    return value


def positive_number(value: float | None) -> float | None:
    if value is not None and (not math.isfinite(value) or value <= 0):
        raise typer.BadParameter(f"{value:g} allows nothing: give a number above 0.")
    return value


def number_from(lowest: float) -> Callable[[float | None], float | None]:
    def check(value: float | None) -> float | None:
        if value is not None and (not math.isfinite(value) or value < lowest):
            raise typer.BadParameter(f"{value:g} is no limit: give at least {lowest:g}.")
        return value

    return check


def one_partition(value: str | None) -> str | None:
    if value is not None and not is_partition_name(value):
        raise typer.BadParameter(f"{value!r} is not the name of one partition.")
    return value


def split_command(value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise typer.BadParameter(
            f"{value!r} is not a command: {error}.", param_hint="--recovery-hook"
        ) from error
    if not words:
        raise typer.BadParameter("The command is empty.", param_hint="--recovery-hook")
    return words


def absolute(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return str(path.expanduser().absolute())
    except RuntimeError as error:
        raise typer.BadParameter(
            f"There is no home folder for {path.parts[0]}.", param_hint="--output-dir"
        ) from error


def option_names(given: list[str] | None) -> tuple[str, ...]:
    """The names of watch options, as they are given to --unset."""
    names = tuple(name.lstrip("-").replace("-", "_") for name in given or ())
    for name in names:
        if name not in OPTION_NAMES:
            known = ", ".join(sorted(OPTION_NAMES)).replace("_", "-")
            raise typer.BadParameter(
                f"There is no option {name!r} to unset. Options: {known}.",
                param_hint="--unset",
            )
    return names


Unset = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OPTION",
        help="Remove an override, e.g. --unset max-retries; the configured value applies again.",
        show_default=False,
    ),
]

# The options of a watch, in the order of --help. They are None where they are not given and the
# configuration decides; the default in --help is the value when nothing is configured.
_WATCH_OPTIONS: dict[str, Any] = {
    "auto_recover": Annotated[
        bool | None,
        typer.Option(
            "--auto-recover/--no-auto-recover",
            "--recover",
            "-r",
            help="Recover failed jobs automatically. [default: off]",
            show_default=False,
        ),
    ],
    "max_retries": Annotated[
        int | None,
        typer.Option(
            "--max-retries",
            "-m",
            callback=at_least(0),
            metavar="NUMBER",
            help=f"Maximum recovery attempts. [default: {DEFAULT_MAX_RETRIES}]",
            show_default=False,
        ),
    ],
    "memory_multiplier": Annotated[
        float | None,
        typer.Option(
            callback=above_one,
            metavar="FACTOR",
            help="Memory increase factor after an out-of-memory failure; implies --policy fixed. "
            f"[default: {DEFAULT_MULTIPLIER}]",
            show_default=False,
        ),
    ],
    "runtime_multiplier": Annotated[
        float | None,
        typer.Option(
            callback=above_one,
            metavar="FACTOR",
            help="Runtime increase factor after a timeout; implies --policy fixed. "
            f"[default: {DEFAULT_MULTIPLIER}]",
            show_default=False,
        ),
    ],
    "policy": Annotated[
        SizingPolicy | None,
        typer.Option(
            help="How much more jobs request that lacked memory or time. Evidence: by what others "
            "of their kind need, and else step by step. Fixed: by the two multipliers. "
            "[default: evidence]",
            show_default=False,
        ),
    ],
    "cpu_multiplier": Annotated[
        float | None,
        typer.Option(
            callback=above_one,
            metavar="FACTOR",
            help="CPU increase factor after a timeout. [default: CPUs stay as they are]",
            show_default=False,
        ),
    ],
    "in_place": Annotated[
        bool | None,
        typer.Option(
            "--in-place/--no-in-place",
            help="Whether jobs are retried while others of the workflow run. "
            "[default: in Slurm, with --policy evidence, where that is safe]",
            show_default=False,
        ),
    ],
    "retry_unknown": Annotated[
        bool | None,
        typer.Option(
            "--retry-unknown/--no-retry-unknown",
            help="Whether failures other than lack of memory or time are retried. [default: retry]",
            show_default=False,
        ),
    ],
    "rerun_suspects": Annotated[
        bool | None,
        typer.Option(
            "--rerun-suspects/--no-rerun-suspects",
            help="Whether completed jobs whose success is suspect run again, once, with all that "
            "depends on them: an empty output, a process killed for its memory. [default: off]",
            show_default=False,
        ),
    ],
    "recovery_hook": Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Command to run, with the workflow's ID, before such failures are retried. "
            "Implies --retry-unknown. A status other than 0 hands the workflow over. No shell "
            "runs it: for pipes, variables or && give a script, or: sh -c '... \"$1\"' sh",
            show_default=False,
        ),
    ],
    "scheduler": Annotated[
        SchedulerChoice | None,
        typer.Option(
            help="Where allocations are submitted. Auto: into Slurm for a workflow that has a "
            f"Slurm scheduler, else on this machine. [default: {SchedulerChoice.AUTO.value}]",
            show_default=False,
        ),
    ],
    "auto_schedule": Annotated[
        bool | None,
        typer.Option(
            "--auto-schedule/--no-auto-schedule",
            help="With --auto-recover, submit allocations to Slurm also while others run, for "
            "ready jobs that none of those will take. [default: on]",
            show_default=False,
        ),
    ],
    "max_allocations": Annotated[
        int | None,
        typer.Option(
            callback=at_least(1),
            metavar="NUMBER",
            help="Maximum number of the workflow's allocations that are queued or running at "
            f"once. [default: {DEFAULT_MAX_ALLOCATIONS}]",
            show_default=False,
        ),
    ],
    "max_node_hours": Annotated[
        float | None,
        typer.Option(
            callback=positive_number,
            metavar="HOURS",
            help="Node hours in Slurm that the workflow may use in all: no allocation is submitted "
            "that might exceed them. [default: no limit]",
            show_default=False,
        ),
    ],
    "approve": Annotated[
        bool | None,
        typer.Option(
            "--approve/--no-approve",
            help="With --auto-recover, whether each round waits until you approve its plan, with "
            "torc-watchd approve. [default: off]",
            show_default=False,
        ),
    ],
    "approve_above_node_hours": Annotated[
        float | None,
        typer.Option(
            callback=number_from(0),
            metavar="HOURS",
            help="Wait for approval of plans that may use more node hours in Slurm. "
            "[default: no limit]",
            show_default=False,
        ),
    ],
    "approve_above_memory_factor": Annotated[
        float | None,
        typer.Option(
            callback=number_from(1),
            metavar="FACTOR",
            help="Wait for approval of plans by which the memory of a job grows by more. "
            "[default: no limit]",
            show_default=False,
        ),
    ],
    "approve_above_jobs": Annotated[
        int | None,
        typer.Option(
            callback=at_least(0),
            metavar="NUMBER",
            help="Wait for approval of plans by which more jobs run. [default: no limit]",
            show_default=False,
        ),
    ],
    "partition": Annotated[
        str | None,
        typer.Option(
            callback=one_partition,
            metavar="NAME",
            help="Partition of new allocations. [default: that of the workflow's scheduler]",
            show_default=False,
        ),
    ],
    "walltime": Annotated[
        int | None,
        typer.Option(
            parser=walltime_seconds,
            metavar="TIME",
            help="Walltime of new allocations, such as 4:00:00; longer where a job needs it. "
            "[default: that of the workflow's scheduler]",
            show_default=False,
        ),
    ],
    "poll_interval": Annotated[
        float | None,
        typer.Option(
            "--poll-interval",
            "-p",
            callback=positive,
            metavar="SECONDS",
            help=f"Seconds between polls. [default: {DEFAULT_POLL_INTERVAL:g}]",
            show_default=False,
        ),
    ],
    "output_dir": Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            metavar="FOLDER",
            help=f"Folder for logs and for the jobs' output. [default: {DEFAULT_OUTPUT_DIR}]",
            show_default=False,
        ),
    ],
}


def with_watch_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command the options of a watch that have these ``names``, by default all of them.

    They take the place of the command's parameter ``watch_options``, which gets the WatchOptions.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        declared = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
            )
            for name, annotation in _WATCH_OPTIONS.items()
            if not names or name in names
        ]

        @wraps(command)
        def call(**given: Any) -> Any:
            chosen = {option.name: given.pop(option.name) for option in declared}
            return command(**given, watch_options=_watch_options(**chosen))

        parameters = []
        for parameter in inspect.signature(command).parameters.values():
            parameters += declared if parameter.name == "watch_options" else [parameter]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return call

    return decorate


def _watch_options(
    *, recovery_hook: str | None = None, output_dir: Path | None = None, **others: Any
) -> WatchOptions:
    multipliers = (others.get("memory_multiplier"), others.get("runtime_multiplier"))
    if others.get("policy") is SizingPolicy.EVIDENCE and multipliers != (None, None):
        raise typer.BadParameter(
            "evidence uses no multiplier: leave out --memory-multiplier and --runtime-multiplier, "
            "or give --policy fixed.",
            param_hint="'--policy'",
        )
    return WatchOptions(
        recovery_hook=split_command(recovery_hook), output_dir=absolute(output_dir), **others
    )
