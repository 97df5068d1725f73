"""The options that several commands have, and what they refuse."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from torc_watch.cli.lazy_commands import load
from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.walltime import parse_walltime


def positive(value: float | None) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value) or value <= 0:
        raise typer.BadParameter(f"{value:g} is not a valid interval: give a number above 0.")
    return value


def at_least(lowest: int) -> Callable[[int | None], int | None]:
    """The callback of an option; ``min`` would show in its help as ``x>=0``."""

    def check(value: int | None) -> int | None:
        if value is not None and value < lowest:
            raise typer.BadParameter(f"{value} is too few: give at least {lowest}.")
        return value

    return check


def port_number(value: int) -> int:
    if not 0 <= value <= _LARGEST_PORT:
        raise typer.BadParameter(f"{value} is no port: give a number from 0 to {_LARGEST_PORT}.")
    return value


def walltime_seconds(text: str) -> int:
    """Raises BadParameter."""
    try:
        seconds = parse_walltime(text)
    except InvalidQuantity as error:
        raise typer.BadParameter(f"{error}.") from None
    if seconds is None:
        raise typer.BadParameter("An allocation needs a limit: give a time, such as 4:00:00.")
    return seconds


ApiVersionName = Literal["0.12", "1.0"]


def api_version(name: str) -> ApiVersionName:
    """Also takes 0.35, the version of a client library by which API 1.0 was called before."""
    known: dict[str, ApiVersionName] = {"0.12": "0.12", "1.0": "1.0", "0.35": "1.0"}
    if name not in known:
        raise typer.BadParameter(f"{name!r} is not an API version: give 0.12 or 1.0.")
    return known[name]


_SPECIFICATIONS = (".yaml", ".yml", ".json", ".json5")
_LARGEST_PORT = 65_535
_LARGEST_ID = 2**63 - 1  # that a server can store
_MOST_IDS = 1000  # of one command
_SHOWN_DIGITS = 40


def workflow_id(text: str | int) -> int:
    """Raises BadParameter."""
    number = _number(str(text))
    if number:
        return number
    if _is_specification(str(text)):
        raise typer.BadParameter(
            f"{text} is a specification, and this needs the ID of a workflow on the server. "
            f"Create one with: torc-watchd submit-slurm {text}"
        )
    raise typer.BadParameter(
        f"{text!r} is not the ID of a workflow: list those with torc-watchd workflows."
    )


def _is_specification(text: str) -> bool:
    return text.lower().endswith(_SPECIFICATIONS)


def workflow_ids(text: str) -> tuple[int, ...]:
    """IDs and ranges of IDs, separated by commas: ``7``, ``1-3``, ``1-3,7``.

    Raises BadParameter for all of ``text`` if any part of it is not valid.
    """
    if not any(separator in text.lstrip("-") for separator in ",-") or _is_specification(text):
        return (workflow_id(text),)
    return tuple(number for part in text.split(",") for number in _range(part, text))


def all_workflow_ids(given: Sequence[Sequence[int]]) -> list[int]:
    """Each once, in the order in which they were given. Raises BadParameter."""
    ids = list(dict.fromkeys(number for each in given for number in each))
    if len(ids) > _MOST_IDS:
        raise typer.BadParameter(
            f"{len(ids)} workflows are too many for one command: give at most {_MOST_IDS}."
        )
    return ids


def _range(part: str, text: str) -> range:
    first, dash, last = part.strip().partition("-")
    lowest = _number(first.strip())
    highest = _number(last.strip()) if dash else lowest
    if not lowest or not highest:
        raise typer.BadParameter(
            f"{text!r} is not a list of workflow IDs: write 7, 1-3, or 1-3,7 without blanks."
        )
    if highest < lowest:
        raise typer.BadParameter(f"{part} is an empty range: write {highest}-{lowest}.")
    if highest - lowest >= _MOST_IDS:
        raise typer.BadParameter(
            f"{part} has {highest - lowest + 1} workflows, and one command takes {_MOST_IDS}."
        )
    return range(lowest, highest + 1)


def _number(text: str) -> int:
    """0 for what is no ID. Raises BadParameter for one that no server has."""
    if not text.isascii() or not text.isdecimal():
        return 0
    if len(text) > len(str(_LARGEST_ID)) or int(text) > _LARGEST_ID:
        raise typer.BadParameter(
            f"A workflow ID must be between 1 and 2^63 - 1 (got {text[:_SHOWN_DIGITS]})."
        )
    return int(text)


def complete(incomplete: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = load("completion:workflow_ids")(incomplete)
    return found


Api = Annotated[
    ApiVersionName,
    typer.Option(
        "--api", parser=api_version, metavar="[0.12|1.0]", help="Torc API that the server speaks."
    ),
]
Specification = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Workflow specification: .yaml, .yml, .json, .json5 or .kdl; - is standard input.",
    ),
]
WorkflowId = Annotated[
    int,
    typer.Argument(
        help="The workflow's ID on the server.",
        parser=workflow_id,
        metavar="ID",
        autocompletion=complete,
    ),
]
WorkflowIds = Annotated[
    list[int],
    typer.Argument(
        help="The workflows' IDs on the server: 7, or a range 1-3, or several: 1-3,7.",
        parser=workflow_ids,
        callback=all_workflow_ids,
        metavar="ID",
        autocompletion=complete,
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The Torc server, such as http://localhost:8080. [default: $TORC_API_URL]",
        show_default=False,
    ),
]
KnownUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Server URL; needed if several servers have a workflow with this ID.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
