"""report: one file that says what happened, why, what it cost and what to do."""

from pathlib import Path
from typing import Annotated

import typer

from torc_watch.app.report import report_key, workflow_report
from torc_watch.app.report_file import default_name, refuse_other_files, write_report
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.exit_status import UNREACHABLE, print_error
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.render.report_page.page import report_page
from torc_watch.render.report_page.values import report_values
from torc_watch.render.terminal_text import printable

_MAX_PATH = 1000


def report(
    workflow_id: options.WorkflowId,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="HTML file to write; an earlier report is replaced. [default: report-ID.html]",
            show_default=False,
        ),
    ] = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Write a report: what happened, why, what it cost.

    It also says what to do next. It is one HTML file that needs no network: to read in a browser,
    to print, to send on. Pictures need the extra report (pip install 'torc-watch[report]'); without
    it there are the tables. Of a workflow that its server does not have any more, the report has
    what the journal knows. It quotes what failed jobs have written, and names files, nodes and
    users. Changes nothing on the server.

    \b
    Examples:
      torc-watchd report 42
      torc-watchd report 42 -o monday.html
      torc-watchd report 42 --json
    """
    target = output or Path(default_name(workflow_id))
    if not as_json:
        refuse_other_files(target)
    settings = load_settings()
    connection = settings.connection(report_key(workflow_id, url, settings).server)
    found = run(announced(connection, lambda: workflow_report(workflow_id, url, settings)))
    if as_json:
        print_json(report_values(found))
    else:
        size = write_report(target, report_page(found))
        print(f"Wrote {printable(str(target), _MAX_PATH)} ({size})")
    for trouble in found.troubles:
        print_error(printable(trouble, _MAX_PATH))
    return UNREACHABLE if found.is_unreachable else 0
