"""handover: the evidence pack of a workflow, for a colleague or a helpdesk."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.app.handover import (
    HandedOver,
    HandoverRequest,
    known_password,
    server_of,
    write_pack,
)
from torc_watch.app.handover_target import checked_target, default_name, draft_of, publish
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.exit_status import UNREACHABLE, print_error
from torc_watch.cli.json_output import json_text, print_json
from torc_watch.cli.progress_line import ProgressLine
from torc_watch.cli.waiting_notice import WaitingNotice
from torc_watch.config.settings import load_settings
from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.handover import DEFAULT_SIZE, SMALLEST_SIZE
from torc_watch.core.redaction import known_secrets
from torc_watch.core.units import format_memory, parse_memory
from torc_watch.render.terminal_text import printable

_MAX_PATH = 4096


def _size(text: str | int) -> int:
    """Raises BadParameter."""
    try:
        size = parse_memory(str(text))
    except InvalidQuantity as error:
        raise typer.BadParameter(f"{error}.") from None
    if size < SMALLEST_SIZE:
        raise typer.BadParameter(f"{text} is too small: give at least {SMALLEST_SIZE >> 20}m.")
    return size


def handover(
    workflow_id: options.WorkflowId,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|FILE.tar.gz",
            help="Folder or archive to write. [default: handover-ID.tar.gz]",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an archive, or the folder of an earlier pack.")
    ] = False,
    max_size: Annotated[
        int,
        typer.Option(
            "--max-size",
            parser=_size,
            metavar="SIZE",
            help=f"Of all files together, such as 200m. [default: {format_memory(DEFAULT_SIZE)}]",
            show_default=False,
        ),
    ] = DEFAULT_SIZE,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            metavar="FOLDER",
            help="The output folder of the workflow's runners. [default: that of its watch]",
            show_default=False,
        ),
    ] = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Pack the evidence of a workflow, to hand it over to somebody else.

    The report, why jobs failed, the plan or why there is none, the history, what failed jobs and
    their allocations have written (beginning and end), the rows of the server, versions and the
    configuration. README.txt in it tells the story, MANIFEST.txt what was left out. Passwords,
    tokens, keys and values of the environment are replaced: they are known by their names and by
    what they look like, so look at it before you publish it. Only you can read what is written.
    Of a workflow that its server does not have any more it has what the journal knows.

    \b
    Examples:
      torc-watchd handover 42
      torc-watchd handover 42 -o for-helpdesk.tar.gz
      torc-watchd handover 42 -o evidence/ --max-size 200m --force
    """
    target = checked_target(output or Path(default_name(workflow_id)), force=force)
    settings = load_settings()
    request = HandoverRequest(
        workflow_id=workflow_id, url=url, most=max_size, output_dir=output_dir
    )
    secrets = [*known_secrets(os.environ), *known_password(settings)]
    connection = settings.connection(server_of(request, settings))

    async def write(draft: Path) -> HandedOver:
        with WaitingNotice(connection) as notice, ProgressLine() as line:

            def progress(what: str) -> None:
                notice.end()
                line.show(f"Packing: {what}")

            return await write_pack(request, settings, secrets, draft, json_text, progress)

    with draft_of(target) as draft:
        made = run(lambda: write(draft))
        publish(draft, target)
    _tell(target, made, as_json=as_json)
    return UNREACHABLE if made.is_unreachable else 0


def _tell(target: Path, made: HandedOver, *, as_json: bool) -> None:
    contents = made.contents
    if as_json:
        print_json(
            {
                "path": str(target),
                "troubles": list(made.troubles),
                "bytes": contents.size,
                **asdict(contents),
            }
        )
    else:
        number, left_out = len(contents.files), len(contents.left_out)
        redacted = sum(contents.redacted.values())
        print(f"Wrote {printable(str(target), _MAX_PATH)}: {number} files, {contents.size:,} bytes")
        print(f"Redacted: {redacted}. Left out: {left_out}. MANIFEST.txt in it says what.")
    for trouble in made.troubles:
        print_error(printable(trouble, _MAX_PATH))
