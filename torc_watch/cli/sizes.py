"""sizes: what jobs have needed, and what to request for them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.app.inspection import find_workflow
from torc_watch.app.sizes import read_sizes
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.core.errors import InvalidInput
from torc_watch.core.kind_sizes import KindSizes, SuggestedRequirements, suggested
from torc_watch.daemon.status_file import read_status
from torc_watch.render.sizes_text import requirements_lines, sizes_lines, suggested_texts
from torc_watch.render.sizes_values import sizes_values
from torc_watch.render.terminal_text import printable
from torc_watch.spec.edited_file import EditedFile, edit_file, refuse_other_formats, write_file

_MAX_PATH = 1000
_MAX_LINE = 1000


def sizes(
    workflow_id: options.WorkflowId,
    *,
    spec: Annotated[
        Path | None,
        typer.Option(
            "--apply",
            metavar="SPEC",
            help="Write the requirements into this YAML file; the old one is kept as SPEC.bak.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --apply: only print the changes.")
    ] = False,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Say what jobs need, and what to request for them.

    For each kind of job (same requirements, same name but for its numbers) this is the median, the
    95th percentile and the most of the measured peaks and run times, over all runs. The
    requirements have room above the most: a fifth for memory, half for run time. What was not
    measured stays as it is. Jobs that did not complete may need more than is said here.

    \b
    Examples:
      torc-watchd sizes 42
      torc-watchd sizes 42 --apply workflow.yaml --dry-run
      torc-watchd sizes 42 --apply workflow.yaml
      torc-watchd sizes 42 --json
    """
    if dry_run and spec is None:
        raise InvalidInput("--dry-run prints what --apply would change: give --apply SPEC, too.")
    if spec is not None:
        refuse_other_formats(spec)
    settings = load_settings()
    key = find_workflow(settings.home, read_status(settings.home), workflow_id, url)
    connection = settings.connection(key.server if key else url)
    found = run(announced(connection, lambda: read_sizes(workflow_id, settings.home, connection)))
    kinds, suggestions = found.kinds, suggested(found)
    file = (
        None if spec is None else edit_file(spec, {s.name: suggested_texts(s) for s in suggestions})
    )
    if as_json:
        print_json(sizes_values(workflow_id, kinds, suggestions))
    elif file is None:
        _print(workflow_id, kinds, suggestions)
    else:
        _print_changes(file)
    if file is not None and not dry_run and file.after != file.before:
        backup = write_file(file)
        paths = [printable(str(path), _MAX_PATH) for path in (file.path, backup)]
        print(f"Wrote {paths[0]}; the old one is {paths[1]}", file=sys.stderr)


def _print(
    workflow_id: int, kinds: Sequence[KindSizes], suggestions: Sequence[SuggestedRequirements]
) -> None:
    for line in sizes_lines(workflow_id, kinds):
        print(line)
    if suggestions:
        print("\nRequirements with room above that, for the specification:\n")
        for line in requirements_lines(kinds, suggestions):
            print(line)
        print(f"\nWrite them into a YAML file with: torc-watchd sizes {workflow_id} --apply SPEC")


def _print_changes(file: EditedFile) -> None:
    if file.after == file.before:
        print(f"{printable(str(file.path), _MAX_PATH)} requests this already.")
    for line in file.diff:
        print(printable(line, _MAX_LINE))
