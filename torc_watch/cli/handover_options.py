"""The options of `handover`."""

from pathlib import Path
from typing import Annotated

import typer

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.handover import DEFAULT_SIZE, SMALLEST_SIZE
from torc_watch.core.units import format_memory, parse_memory


def pack_size(text: str | int) -> int:
    """Raises BadParameter."""
    try:
        size = parse_memory(str(text))
    except InvalidQuantity as error:
        raise typer.BadParameter(f"{error}.") from None
    if size < SMALLEST_SIZE:
        least = format_memory(SMALLEST_SIZE)
        raise typer.BadParameter(f"{text} is too small: give at least {least}.")
    return size


Target = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR|FILE.tar.gz",
        help="Folder or archive to write. [default: handover-ID.tar.gz]",
        show_default=False,
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace an archive, or the folder of an earlier pack.")
]
MaxSize = Annotated[
    int,
    typer.Option(
        "--max-size",
        parser=pack_size,
        metavar="SIZE",
        help=f"Of all files together, such as 200m. [default: {format_memory(DEFAULT_SIZE)}]",
        show_default=False,
    ),
]
RunnerFolder = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        metavar="FOLDER",
        help="The output folder of the workflow's runners. [default: that of its watch]",
        show_default=False,
    ),
]
