"""reports: what became of a workflow that has run."""

import math
from typing import Annotated

import typer

from torc_watch.app.inspection import find_workflow
from torc_watch.app.utilization import Comparison, read_utilization
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.daemon.status_file import read_status
from torc_watch.render.utilization_text import utilization_lines
from torc_watch.render.utilization_values import utilization_values

app = typer.Typer(
    help="Report what the jobs of a workflow used.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def reports() -> None:
    pass


def _percent(value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise typer.BadParameter(f"{value:g} is no percentage: give 0 or more.")
    return value


@app.command()
def check_resource_utilization(
    workflow_id: options.WorkflowId,
    *,
    run_id: Annotated[
        int | None,
        typer.Option(
            "--run-id",
            "-r",
            metavar="N",
            callback=options.at_least(1),
            help="Only jobs of this run. [default: the last result of each job]",
        ),
    ] = None,
    shows_all: Annotated[
        bool, typer.Option("--all", "-a", help="All jobs, not only those that used too much.")
    ] = False,
    include_failed: Annotated[
        bool, typer.Option("--include-failed", help="Failed and terminated jobs, too.")
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(
            "--min-over-utilization",
            metavar="PERCENT",
            callback=_percent,
            help="How far above its request a job must be to be listed.",
        ),
    ] = 1.0,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Compare what jobs used and requested.

    That is memory, CPUs and run time of completed jobs. Jobs alike are shown together: same
    requirements, same name but for its number. For a request that was too low, or more than twice
    too high, a better one is named: half as much again as the peak, which is a lower bound. Less
    than 256m, a CPU or ten minutes too much is not worth a word. Of an earlier run, too, jobs are
    compared with what they request now.

    \b
    Examples:
      torc-watchd reports check-resource-utilization 42
      torc-watchd reports check-resource-utilization 42 --all
      torc-watchd reports check-resource-utilization 42 --include-failed --json
    """
    settings = load_settings()
    key = find_workflow(settings.home, read_status(settings.home), workflow_id, url)
    connection = settings.connection(key.server if key else url)
    comparison = Comparison(tolerance=tolerance, run_id=run_id, include_failed=include_failed)
    found = run(
        announced(connection, lambda: read_utilization(workflow_id, connection, comparison))
    )
    if as_json:
        print_json(utilization_values(workflow_id, run_id, found, shows_all=shows_all))
        return
    for line in utilization_lines(
        workflow_id, found, shows_all=shows_all, include_failed=include_failed
    ):
        print(line)
