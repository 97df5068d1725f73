"""submit: a workflow specification becomes a workflow that runs."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.cli import options, running
from torc_watch.daemon.commands import WatchOptions


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
    output_dir: options.OutputDir = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """Create a workflow and start running it here.

    Its jobs run in local allocations, which are processes of this machine that claim them.

    \b
    Examples:
      torc-watchd submit examples/tutorial.yaml
      torc-watchd submit workflow.json5 --allocations 2 --cpus 4 --json
    """
    from torc_watch.app import composition
    from torc_watch.cli.reporting import unusable_folder_refused

    settings = running.load_settings().chosen(WatchOptions(output_dir=options.absolute(output_dir)))
    output = settings.output_dir

    async def command() -> None:
        if allocations:
            with unusable_folder_refused(output):
                output.mkdir(parents=True, exist_ok=True)
        submitted = await composition.submit(
            specification,
            settings,
            settings.connection(url),
            composition.LocalShape(allocations=allocations, num_cpus=cpus, output_dir=output),
        )
        if as_json:
            print(json.dumps(asdict(submitted)))
        else:
            for warning in submitted.warnings:
                print(f"Warning: {warning}", file=sys.stderr)
            print(f"Created workflow {submitted.workflow_id} with {submitted.jobs} jobs")
            number = len(submitted.allocations)
            print(f"Submitted to Local with {number} allocation{'' if number == 1 else 's'}")

    running.run(command)
