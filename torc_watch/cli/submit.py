"""submit: a workflow specification becomes a workflow that runs."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.app.local_submission import LocalShape, Submission
from torc_watch.app.local_submission import submit as submit_workflow
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.output_folder import unusable_folder_refused
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.config.settings import load_settings
from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.transcript import jobs_text


@with_watch_options("output_dir")
def submit(
    specification: Annotated[
        Path, typer.Argument(help="Workflow specification: .yaml, .yml, .json or .json5.")
    ],
    *,
    allocations: Annotated[
        int, typer.Option(min=0, help="Local allocations to start; 0 only creates the workflow.")
    ] = 1,
    cpus: Annotated[
        int | None,
        typer.Option(
            min=1, help="CPUs of an allocation. [default: this machine's]", show_default=False
        ),
    ] = None,
    watch_options: WatchOptions,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Create a workflow and start running it here.

    Its jobs run in local allocations: processes of this machine that claim the jobs.

    \b
    Examples:
      torc-watchd submit examples/tutorial.yaml
      torc-watchd submit workflow.json5 --allocations 2 --cpus 4 --json
    """
    settings = load_settings().with_options(watch_options)
    shape = LocalShape(allocations=allocations, num_cpus=cpus, output_dir=settings.output_dir)
    if allocations:
        with unusable_folder_refused(shape.output_dir):
            shape.output_dir.mkdir(parents=True, exist_ok=True)
    connection = settings.connection(url)
    submission = run(lambda: submit_workflow(specification, settings, connection, shape))
    if as_json:
        print(json.dumps(asdict(submission)))
    else:
        _show(submission)


def _show(submission: Submission) -> None:
    for warning in submission.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    print(f"Created workflow {submission.workflow_id} with {jobs_text(submission.jobs)}")
    number = len(submission.allocations)
    if number:
        print(f"Submitted to Local with {number} allocation{'' if number == 1 else 's'}")
    else:
        print(f"Nothing runs it yet. Start it with: torc-watchd recover {submission.workflow_id}")
