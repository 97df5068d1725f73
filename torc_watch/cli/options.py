"""The options of commands that watch and recover, and what they refuse."""

import math
import shlex
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.daemon.commands import OPTION_NAMES


def above_one(value: float | None) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value) or value <= 1:
        raise typer.BadParameter(
            f"{value:g} would not raise anything: give a number above 1, such as 1.5."
        )
    return value


def positive(value: float | None) -> float | None:
    if value is None:
        return None
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


def absolute(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return str(path.expanduser().absolute())
    except RuntimeError as error:
        raise typer.BadParameter(
            f"There is no home for {path.parts[0]}.", param_hint="--output-dir"
        ) from error


def choice_names(given: list[str] | None) -> tuple[str, ...]:
    """Of what was chosen with an option, by the name of that."""
    names = tuple(name.lstrip("-").replace("-", "_") for name in given or ())
    for name in names:
        if name not in OPTION_NAMES:
            known = ", ".join(sorted(OPTION_NAMES)).replace("_", "-")
            raise typer.BadParameter(
                f"There is nothing like {name!r} to unset. There is: {known}.",
                param_hint="--unset",
            )
    return names


def server(url: str | None) -> str | None:
    """The URL of a server's API, as orders hold it. Raises InvalidInput."""
    if url is None:
        return None
    from torc_watch.torc.transport import normalize_url

    return normalize_url(url)


WorkflowId = Annotated[
    int, typer.Argument(help="The workflow's id on the server.", min=1, metavar="ID")
]
WorkflowIds = Annotated[
    list[int],
    typer.Argument(help="The workflows' ids on the server.", min=1, metavar="ID"),
]
Url = Annotated[
    str | None,
    typer.Option(
        help="The Torc server, such as http://localhost:8080. [default: $TORC_API_URL]",
        show_default=False,
    ),
]
KnownUrl = Annotated[
    str | None,
    typer.Option("--url", help="Its server, where workflows of several have this id."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
# The options from here on are None where the configuration is to decide; what --help calls their
# default is what it says where nobody has configured anything.
AutoRecover = Annotated[
    bool | None,
    typer.Option(
        "--auto-recover/--no-auto-recover",
        "--recover",
        "-r",
        help="Recover failed jobs by itself.",
        show_default="off",
    ),
]
MaxRetries = Annotated[
    int | None,
    typer.Option("--max-retries", "-m", min=0, help="Maximum recovery attempts.", show_default="3"),
]
PollInterval = Annotated[
    float | None,
    typer.Option(
        "--poll-interval",
        "-p",
        callback=positive,
        help="Seconds between looks.",
        show_default="60",
    ),
]
ShowJobCounts = Annotated[
    bool,
    typer.Option(
        "--show-job-counts", "-s", help="Print the number of jobs by status at each look."
    ),
]
MemoryMultiplier = Annotated[
    float | None,
    typer.Option(
        callback=above_one,
        help="Memory increase factor after an out-of-memory failure.",
        show_default="1.5",
    ),
]
RuntimeMultiplier = Annotated[
    float | None,
    typer.Option(
        callback=above_one, help="Runtime increase factor after a timeout.", show_default="1.5"
    ),
]
RetryUnknown = Annotated[
    bool | None,
    typer.Option(
        "--retry-unknown/--no-retry-unknown",
        help="Whether failures of unknown cause are retried, unchanged.",
        show_default="retry",
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
Unset = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OPTION",
        help="Follow the configuration again in what this option said: --unset max-retries.",
        show_default=False,
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        "-o",
        help="Folder for logs and for the jobs' output.",
        show_default="output",
    ),
]
