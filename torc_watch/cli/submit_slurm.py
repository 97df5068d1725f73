"""submit-slurm: a workflow specification becomes a workflow that runs on a cluster."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from torc_watch.app import command_delivery
from torc_watch.app.slurm_plan import SpecificationPlan, plan_specification, refuse_own_schedulers
from torc_watch.app.slurm_submission import SlurmSubmission, refuse_unusable
from torc_watch.app.slurm_submission import submit_slurm as submit_workflow
from torc_watch.cli import options, slurm_options
from torc_watch.cli.command_output import print_sent, print_warning
from torc_watch.cli.event_loop import run
from torc_watch.cli.output_folder import prepare_output_folder
from torc_watch.cli.plan_output import plan_values, print_notes, print_plan, print_refusal
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.config.settings import Settings, load_settings
from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.transcript import jobs_text
from torc_watch.torc.transport import Connection


@with_watch_options("output_dir")
def submit_slurm(
    specification: Annotated[
        Path, typer.Argument(help="Workflow specification: .yaml, .yml, .json or .json5.")
    ],
    *,
    account: slurm_options.Account = None,
    profile: slurm_options.Profile = None,
    partition: slurm_options.InPartition = None,
    walltime: slurm_options.Walltime = None,
    qos: slurm_options.QualityOfService = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Plan allocations also if the file has slurm_schedulers."),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Add the workflow to the daemon, with --auto-recover.")
    ] = False,
    dry_run: slurm_options.DryRun = False,
    watch_options: WatchOptions,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Create a workflow and submit its allocations to Slurm.

    Allocations are planned by what the jobs ask for and by what the cluster allows. Jobs of later
    layers get theirs when they are ready. If a job fits nowhere, nothing is created, and the exit
    status is 2.

    \b
    Examples:
      torc-watchd submit-slurm --account myproject workflow.yaml
      torc-watchd submit-slurm --account myproject workflow.yaml --dry-run
      torc-watchd submit-slurm --account myproject --partition debug --walltime 1:00:00 \\
        workflow.yaml --watch
    """
    settings = load_settings().with_options(watch_options)
    chosen = slurm_options.plan_options(
        account=account, partition=partition, walltime=walltime, qos=qos
    )
    prepared = run(lambda: plan_specification(specification, profile, chosen, submits=not dry_run))
    if not overwrite:
        refuse_own_schedulers(prepared.spec, specification)
    for warning in prepared.spec.warnings:
        print_warning(warning)
    if prepared.checked.plan.no_fit:
        if as_json:
            print(json.dumps(_values(prepared)))
        else:
            print_notes(prepared.checked.notes)
        return print_refusal(prepared.checked, "These jobs fit nowhere, so nothing was created.")
    connection = settings.connection(url)
    refuse_unusable(prepared.checked.plan, settings, connection)
    prepare_output_folder(settings.output_dir, creates=not dry_run)
    if dry_run:
        _show_plan(prepared, as_json=as_json)
        return 0
    submission = _submit(prepared, settings, connection, as_json=as_json)
    if watch:
        _watch(submission.workflow_id, settings, url, as_json=as_json)
    return 0


def _show_plan(prepared: SpecificationPlan, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_values(prepared)))
    else:
        print_plan(prepared.checked)
        print("Nothing was changed.")


def _submit(
    prepared: SpecificationPlan, settings: Settings, connection: Connection, *, as_json: bool
) -> SlurmSubmission:
    def show_created(workflow_id: int, jobs: int) -> None:
        # At once, and beside JSON too: an interruption must not hide that the workflow is there.
        text = f"Created workflow {workflow_id} with {jobs_text(jobs)}"
        print(text, file=sys.stderr if as_json else sys.stdout, flush=True)

    submission = run(
        lambda: submit_workflow(prepared, settings, connection, on_created=show_created)
    )
    if as_json:
        print(json.dumps(_values(prepared, submission)))
    else:
        print_notes(prepared.checked.notes)
        _show(submission)
    return submission


def _show(submission: SlurmSubmission) -> None:
    if number := len(submission.allocations):
        allocations = f"{number} allocation{'' if number == 1 else 's'}"
        print(f"Submitted to Slurm with {allocations}", flush=True)
    if submission.later:
        more = f"{submission.later} more allocation{'' if submission.later == 1 else 's'}"
        print_notes([f"{more} will be submitted when the jobs before are done."])


def _watch(workflow_id: int, settings: Settings, url: str | None, *, as_json: bool) -> None:
    watch_options = WatchOptions(auto_recover=True, output_dir=str(settings.output_dir.absolute()))
    sent = run(
        lambda: command_delivery.add([workflow_id], watch_options, settings, url, print_warning)
    )
    if as_json:
        sent = replace(sent, commands=())  # only what is not JSON anyway
    print_sent(sent)


def _values(
    prepared: SpecificationPlan, submission: SlurmSubmission | None = None
) -> dict[str, Any]:
    created = submission and {
        "workflow_id": submission.workflow_id,
        "jobs": submission.jobs,
        "allocations": list(submission.allocations),
        "later_allocations": submission.later,
    }
    return {"created": created, "plan": plan_values(prepared.checked)}
