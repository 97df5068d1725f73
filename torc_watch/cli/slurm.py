"""slurm: the allocations of a workflow, planned and asked for anew."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from torc_watch.app.slurm_plan import (
    CheckedPlan,
    plan_specification,
    with_note_on_own_schedulers,
)
from torc_watch.app.slurm_regeneration import Regeneration, plan_of_workflow
from torc_watch.app.slurm_regeneration import dry_run as dry_run_of_regeneration
from torc_watch.app.slurm_regeneration import regenerate as regenerate_workflow
from torc_watch.app.slurm_workflow import WorkflowPlan
from torc_watch.cli import options, slurm_options
from torc_watch.cli.command_output import print_warning
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.output_folder import prepare_output_folder
from torc_watch.cli.plan_output import plan_values, print_notes, print_plan, print_refusal
from torc_watch.cli.waiting_notice import announced
from torc_watch.cli.watch_options import with_watch_options
from torc_watch.config.settings import Settings, load_settings
from torc_watch.daemon.commands import WatchOptions
from torc_watch.planner.cluster_plan import PlanOptions

app = typer.Typer(
    help="Plan a workflow's allocations, and submit them anew.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_NOTHING_LEFT = "No job is left that needs an allocation."


@app.callback()
def slurm() -> None:
    pass


@app.command()
def plan(
    workflow: Annotated[
        str,
        typer.Argument(
            help="A workflow's ID on the server, or its specification.", metavar="ID|FILE"
        ),
    ],
    *,
    account: slurm_options.Account = None,
    profile: slurm_options.Profile = None,
    partition: slurm_options.InPartition = None,
    walltime: slurm_options.Walltime = None,
    qos: slurm_options.QualityOfService = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Show the allocations that the jobs of a workflow need; change nothing.

    Of a workflow on the server, the jobs that are left and that no queued or running allocation
    will take. Ends with 2 when a job fits nowhere.

    \b
    Examples:
      torc-watchd slurm plan workflow.yaml
      torc-watchd slurm plan 42 --partition debug --walltime 1:00:00
      torc-watchd slurm plan workflow.yaml --profile kestrel --json
    """
    settings = load_settings()
    chosen = slurm_options.plan_options(
        account=account, partition=partition, walltime=walltime, qos=qos
    )
    if workflow.isdecimal():
        connection = settings.connection(url)
        found = run(
            announced(
                connection,
                lambda: plan_of_workflow(int(workflow), settings, connection, profile, chosen),
            )
        )
        return _show_plan(found.checked, _covered(found), as_json=as_json)
    prepared = run(lambda: plan_specification(Path(workflow), profile, chosen))
    for warning in prepared.spec.warnings:
        print_warning(warning)
    checked = with_note_on_own_schedulers(prepared, Path(workflow))
    return _show_plan(checked, "", as_json=as_json)


@app.command()
@with_watch_options("output_dir")
def regenerate(
    workflow_id: options.WorkflowId,
    *,
    submit: Annotated[
        bool, typer.Option("--submit", help="Submit allocations for the jobs that are ready.")
    ] = False,
    account: slurm_options.Account = None,
    profile: slurm_options.Profile = None,
    partition: slurm_options.InPartition = None,
    walltime: slurm_options.Walltime = None,
    qos: slurm_options.QualityOfService = None,
    dry_run: slurm_options.DryRun = False,
    watch_options: WatchOptions,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Write Slurm schedulers for the jobs that are left, and submit allocations for them.

    Jobs that queued or running allocations will take are not planned again. The account, the QOS
    and further options of the earlier schedulers are kept. Without --submit, the workflow's workers
    submit the allocations later, or you do with `torc submit`. If a job fits nowhere, nothing is
    changed, and the exit status is 2. A workflow that is watched is refused: pause it before, and
    resume it afterwards.

    \b
    Examples:
      torc-watchd slurm regenerate 42 --submit
      torc-watchd slurm regenerate 42 --partition bigmem --walltime 12:00:00 --dry-run
    """
    settings = load_settings().with_options(watch_options)
    chosen = slurm_options.plan_options(
        account=account, partition=partition, walltime=walltime, qos=qos
    )
    done = run(
        announced(
            settings.connection(url),
            lambda: _regenerate(
                workflow_id, settings, url, profile, chosen, submits=submit, dry_run=dry_run
            ),
        )
    )
    if as_json:
        print_json(_values(done))
    if done.plan.checked.plan.no_fit:
        if not as_json:
            print_notes(done.plan.checked.notes)
        return print_refusal(done.plan.checked, "These jobs fit nowhere, so nothing was changed.")
    if not as_json:
        _show(done)
    return 0


async def _regenerate(
    workflow_id: int,
    settings: Settings,
    url: str | None,
    profile: str | None,
    chosen: PlanOptions,
    *,
    submits: bool,
    dry_run: bool,
) -> Regeneration:
    connection = settings.connection(url)
    if submits:
        prepare_output_folder(settings.output_dir, creates=not dry_run)
    carry_out = dry_run_of_regeneration if dry_run else regenerate_workflow
    return await carry_out(workflow_id, settings, connection, profile, chosen, submits=submits)


def _show_plan(checked: CheckedPlan, covered: str, *, as_json: bool) -> int:
    if as_json:
        print_json(plan_values(checked))
    else:
        print_plan(checked)
        if covered:
            print(covered)
        elif not checked.plan.groups and not checked.plan.no_fit:
            print(_NOTHING_LEFT)
    if checked.plan.no_fit:
        return print_refusal(checked, "These jobs fit nowhere.")
    return 0


def _show(done: Regeneration) -> None:
    print_plan(done.plan.checked)
    for line in _tidied(done):
        print(line)
    if covered := _covered(done.plan):
        print(covered)
    if not done.is_done:
        if not done.plan.checked.plan.groups and not covered:
            print(_NOTHING_LEFT)
        print(f"Nothing {'else ' if any(_tidied(done)) else ''}was changed.")
        return
    number = len(done.allocations)
    if number:
        print(f"Submitted to Slurm with {number} allocation{'' if number == 1 else 's'}")
    if done.later:
        more = f"{done.later} allocation{'' if done.later == 1 else 's'}"
        print_notes([f"{more} will be submitted by the workflow's workers, or by: torc submit"])


def _tidied(done: Regeneration) -> Iterator[str]:
    if done.canceled:
        yield f"Canceled what an interrupted submission left held: {_listed(done.canceled)}"
    if done.closed:
        yield f"Closed the rows of allocations that have ended: {_listed(done.closed)}"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _covered(plan: WorkflowPlan) -> str:
    if not plan.covered:
        return ""
    jobs = f"{plan.covered:,} job{'' if plan.covered == 1 else 's'}"
    return f"Allocations that are queued or running take {jobs}."


def _values(done: Regeneration) -> dict[str, Any]:
    return {
        "workflow_id": done.plan.workflow.id,
        "plan": plan_values(done.plan.checked),
        "covered_jobs": done.plan.covered,
        "changed": done.is_done,
        "allocations": list(done.allocations),
        "later_allocations": done.later,
        "canceled_allocations": list(done.canceled),
        "closed_allocations": list(done.closed),
    }
