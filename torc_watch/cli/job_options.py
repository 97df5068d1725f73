"""The options of `jobs list` and `jobs logs`."""

from pathlib import Path
from typing import Annotated

import typer

from torc_watch.cli import options
from torc_watch.core.model import JobStatus

_LARGEST_ID = 2**63 - 1  # that a server can store
_SHOWN_DIGITS = 40
_STATUSES = {status.value: status for status in JobStatus if status is not JobStatus.UNRECOGNIZED}


def job_id(text: str | int) -> int:
    """Raises BadParameter."""
    number = str(text)
    if number.isascii() and number.isdecimal() and 0 < int(number[:_SHOWN_DIGITS]) <= _LARGEST_ID:
        return int(number)
    raise typer.BadParameter(
        f"{number[:_SHOWN_DIGITS]!r} is not the ID of a job: list those of a workflow with "
        "torc-watchd jobs list ID."
    )


def job_status(text: str) -> JobStatus:
    """Raises BadParameter."""
    try:
        return _STATUSES[text.lower().replace("-", "_")]
    except KeyError:
        known = ", ".join(_STATUSES)
        raise typer.BadParameter(f"{text!r} is no status of jobs: give one of {known}.") from None


def complete_job_status(incomplete: str) -> list[str]:
    return [name for name in _STATUSES if name.startswith(incomplete.lower())]


Statuses = Annotated[
    list[JobStatus] | None,
    typer.Option(
        "--status",
        "-s",
        help="Only jobs with this status, such as failed; may be given several times.",
        parser=job_status,
        metavar="STATUS",
        autocompletion=complete_job_status,
        show_default=False,
    ),
]
JobId = Annotated[
    int,
    typer.Argument(
        help="The job's ID on the server: see torc-watchd jobs list.",
        parser=job_id,
        metavar="JOB_ID",
    ),
]
Follow = Annotated[
    bool,
    typer.Option("--follow", "-f", help="Go on with what is written until the job is over."),
]
ErrorsOnly = Annotated[
    bool, typer.Option("--stderr", help="Leave out the file with standard output.")
]
OfAttempt = Annotated[
    int | None,
    typer.Option(
        "--attempt",
        help="This attempt instead of the last one.",
        metavar="N",
        callback=options.at_least(1),
        show_default=False,
    ),
]
OfRun = Annotated[
    int | None,
    typer.Option(
        "--run",
        help="The attempt in this run of the workflow instead of the last one.",
        metavar="N",
        callback=options.at_least(1),
        show_default=False,
    ),
]
OfSlurm = Annotated[
    bool, typer.Option("--slurm", help="Also the output of its allocation, and the runner's log.")
]
Lines = Annotated[
    int,
    typer.Option(
        "--lines",
        "-n",
        help="How many of each file.",
        metavar="N",
        callback=options.at_least(1),
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="All of each file.")]
OutputFolder = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        "-o",
        help="The output folder of its runner.",
        metavar="FOLDER",
        show_default=False,
    ),
]
