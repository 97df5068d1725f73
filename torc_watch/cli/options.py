"""The options that several commands have, and what they refuse."""

import math
from typing import Annotated

import typer


def positive(value: float | None) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value) or value <= 0:
        raise typer.BadParameter(f"{value:g} is not a valid interval: give a number above 0.")
    return value


WorkflowId = Annotated[
    int, typer.Argument(help="The workflow's ID on the server.", min=1, metavar="ID")
]
WorkflowIds = Annotated[
    list[int],
    typer.Argument(help="The workflows' IDs on the server.", min=1, metavar="ID"),
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
