"""The options that several commands have, and what they refuse."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.walltime import parse_walltime


def positive(value: float | None) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value) or value <= 0:
        raise typer.BadParameter(f"{value:g} is not a valid interval: give a number above 0.")
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


def workflow_id(text: str | int) -> int:
    """Raises BadParameter."""
    number = int(text) if str(text).isdecimal() else 0
    if number:
        return number
    if str(text).lower().endswith(_SPECIFICATIONS):
        raise typer.BadParameter(
            f"{text} is a specification, and this needs the ID of a workflow on the server. "
            f"Create one with: torc-watchd submit-slurm {text}"
        )
    raise typer.BadParameter(
        f"{text!r} is not the ID of a workflow: list those with torc-watchd workflows."
    )


Api = Annotated[
    ApiVersionName,
    typer.Option(
        "--api", parser=api_version, metavar="[0.12|1.0]", help="Torc API that the server speaks."
    ),
]
Specification = Annotated[
    Path,
    typer.Argument(
        help="Workflow specification: .yaml, .yml, .json, .json5 or .kdl; - is standard input."
    ),
]
WorkflowId = Annotated[
    int,
    typer.Argument(help="The workflow's ID on the server.", parser=workflow_id, metavar="ID"),
]
WorkflowIds = Annotated[
    list[int],
    typer.Argument(help="The workflows' IDs on the server.", parser=workflow_id, metavar="ID"),
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
    typer.Option(
        "--url", help="Server URL; needed if several servers have a workflow with this ID."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
