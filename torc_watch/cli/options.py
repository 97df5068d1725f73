"""The options of commands that watch and recover, and what they refuse."""

import math
import shlex
from pathlib import Path
from typing import Annotated

import typer


def above_one(value: float) -> float:
    if not math.isfinite(value) or value <= 1:
        raise typer.BadParameter(
            f"{value:g} would not raise anything: give a number above 1, such as 1.5."
        )
    return value


def positive(value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise typer.BadParameter(f"{value:g} is no time to wait: give a number above 0.")
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


WorkflowId = Annotated[int, typer.Argument(help="The workflow's id on the server.", min=1)]
Url = Annotated[
    str | None,
    typer.Option(
        help="The Torc server, such as http://localhost:8080. [default: $TORC_API_URL]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AutoRecover = Annotated[
    bool,
    typer.Option("--auto-recover", "--recover", "-r", help="Recover failed jobs by itself."),
]
MaxRetries = Annotated[
    int, typer.Option("--max-retries", "-m", min=0, help="Maximum recovery attempts.")
]
PollInterval = Annotated[
    float,
    typer.Option("--poll-interval", "-p", callback=positive, help="Seconds between looks."),
]
ShowJobCounts = Annotated[
    bool,
    typer.Option(
        "--show-job-counts", "-s", help="Print the number of jobs by status at each look."
    ),
]
MemoryMultiplier = Annotated[
    float,
    typer.Option(callback=above_one, help="Memory increase factor after an out-of-memory failure."),
]
RuntimeMultiplier = Annotated[
    float, typer.Option(callback=above_one, help="Runtime increase factor after a timeout.")
]
RetryUnknown = Annotated[
    bool,
    typer.Option(
        "--retry-unknown/--no-retry-unknown",
        help="Whether failures of unknown cause are retried, unchanged.",
    ),
]
RecoveryHook = Annotated[
    str | None,
    typer.Option(
        help="Command to run, with the workflow's id, before unknown failures are retried. "
        "Implies --retry-unknown. A status other than 0 hands the workflow over.",
        show_default=False,
    ),
]
OutputDir = Annotated[
    Path, typer.Option("--output-dir", "-o", help="Folder for logs and for the jobs' output.")
]
