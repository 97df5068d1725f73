"""The options of `plan` and `recover` that say which round: of which jobs, by which plan."""

import re
from typing import Annotated

import typer

from torc_watch.cli.options import walltime_seconds
from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.units import parse_memory

_MOST_JOBS = 1000  # of one command
_PLAN_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_SHOWN = 40  # characters of what is no ID
_SPAN = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def memory_bytes(text: str | int) -> int:
    """Raises BadParameter."""
    try:
        return parse_memory(str(text))
    except InvalidQuantity as error:
        raise typer.BadParameter(f"{error}.") from None


def runtime_seconds(text: str | int) -> int:
    """Of ``2h``, ``90m``, or what a walltime may be. Raises BadParameter."""
    match = _SPAN.fullmatch(str(text))
    if match and (number := int(match[1])):
        return number * _SECONDS[match[2]]
    return walltime_seconds(str(text))


def plan_id(text: str) -> str:
    """Raises BadParameter."""
    if _PLAN_ID.fullmatch(text.lower()):
        return text.lower()
    raise typer.BadParameter(
        f"{text[:_SHOWN]!r} is not the ID of a plan: that has 8 digits, such as 7f3a2c1b, and "
        "torc-watchd plan prints it."
    )


def few_jobs(names: list[str] | None) -> list[str] | None:
    if names and len(names) > _MOST_JOBS:
        raise typer.BadParameter(
            f"{len(names)} jobs are too many for one command: give at most {_MOST_JOBS}."
        )
    return names


Jobs = Annotated[
    list[str] | None,
    typer.Option(
        "--job",
        help="Retry only this failed job, by its ID or name; may be given several times.",
        callback=few_jobs,
        metavar="JOB",
        show_default=False,
    ),
]
Memory = Annotated[
    int | None,
    typer.Option(
        "--memory",
        help="What each of these jobs requests at least, such as 16g.",
        parser=memory_bytes,
        metavar="SIZE",
        show_default=False,
    ),
]
Runtime = Annotated[
    int | None,
    typer.Option(
        "--runtime",
        help="What each of these jobs requests at least, such as 2h or 4:00:00.",
        parser=runtime_seconds,
        metavar="TIME",
        show_default=False,
    ),
]
PlanId = Annotated[
    str | None,
    typer.Option(
        "--plan",
        help="Only this plan, by the ID that torc-watchd plan printed; another is refused.",
        parser=plan_id,
        metavar="PLAN_ID",
        show_default=False,
    ),
]


def job_choice(jobs: list[str] | None, memory: int | None, runtime: int | None) -> JobChoice | None:
    if not jobs and memory is None and runtime is None:
        return None
    return JobChoice(jobs=tuple(jobs or ()), memory=memory, runtime=runtime)
