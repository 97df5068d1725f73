"""The command line: options in, exit status out. Commands decide nothing themselves.

A command's code is in the module with the command's name.
"""

from typing import Annotated

import typer

from torc_watch.cli.exit_status import EXIT_STATUS_HELP
from torc_watch.cli.lazy_commands import LazyCommand, LazyGroup, load

COMMANDS = (
    LazyCommand(
        "watch",
        "watch:watch",
        "Watch a workflow to its end, and recover it.",
        epilog=EXIT_STATUS_HELP,
        takes_ids=True,
    ),
    LazyCommand(
        "plan", "plan:plan", "Print what recovery would do; change nothing.", takes_ids=True
    ),
    LazyCommand(
        "recover", "recover:recover", "Carry out one round of recovery, and return.", takes_ids=True
    ),
    LazyCommand("plans", "plans:plans", "List the plans that wait for your approval."),
    LazyCommand(
        "approve", "approve:approve", "Approve the plan that waits for you.", takes_ids=True
    ),
    LazyCommand(
        "reject",
        "reject:reject",
        "Reject the plan that waits: the workflow is handed over.",
        takes_ids=True,
    ),
    LazyCommand("workflows", "workflows:workflows", "List the workflows on the server."),
    LazyCommand("submit", "submit:submit", "Create a workflow and start running it here."),
    LazyCommand(
        "submit-slurm",
        "submit_slurm:submit_slurm",
        "Create a workflow and submit its allocations to Slurm.",
    ),
    LazyCommand(
        "slurm",
        "slurm:app",
        "Plan a workflow's allocations, and submit them anew.",
        with_ids=("regenerate",),
    ),
    LazyCommand("run", "run:run", "Watch all workflows that were added, until stopped."),
    LazyCommand("add", "add:add", "Add workflows to the daemon.", takes_ids=True),
    LazyCommand("set", "set:set_", "Change the options of watched workflows.", takes_ids=True),
    LazyCommand(
        "pause", "pause:pause", "Stop watching workflows until they are resumed.", takes_ids=True
    ),
    LazyCommand(
        "resume", "resume:resume", "Watch paused or ended workflows again.", takes_ids=True
    ),
    LazyCommand(
        "remove",
        "remove:remove",
        "Stop watching workflows and remove them from the list.",
        takes_ids=True,
    ),
    LazyCommand("list", "list:list_", "List the daemon's workflows."),
    LazyCommand("top", "top:top", "Show the daemon's workflows live, on the whole screen."),
    LazyCommand(
        "status", "status:status", "Show the status of workflows in detail.", takes_ids=True
    ),
    LazyCommand(
        "history",
        "history:history",
        "Show what was done for workflows, when and why.",
        takes_ids=True,
    ),
    LazyCommand("why", "why:why", "Say why jobs failed, with the evidence.", takes_ids=True),
    LazyCommand(
        "sizes",
        "sizes:sizes",
        "Say what jobs need, and what to request for them.",
        takes_ids=True,
    ),
    LazyCommand(
        "report",
        "report:report",
        "Write a report: what happened, why, what it cost.",
        takes_ids=True,
    ),
    LazyCommand(
        "handover",
        "handover:handover",
        "Pack the evidence to send it on, without passwords.",
        takes_ids=True,
    ),
    LazyCommand(
        "reports",
        "reports:app",
        "Report what the jobs of a workflow used.",
        with_ids=("check-resource-utilization",),
    ),
    LazyCommand(
        "jobs", "jobs:app", "List jobs, and show what they have written.", with_ids=("list",)
    ),
    LazyCommand("mcp", "mcp:mcp", "Serve tools for an AI assistant (MCP)."),
    LazyCommand("logs", "logs:logs", "Show the daemon's log.", takes_ids=True),
    LazyCommand("doctor", "doctor:doctor", "Check this login node and say how to run the daemon."),
    LazyCommand(
        "demo",
        "demo:demo",
        "Show a workflow fail, be recovered, complete.",
        epilog=EXIT_STATUS_HELP,
    ),
    LazyCommand("nodes", "nodes:app", "Show nodes that fail jobs, and clear them."),
    LazyCommand("rules", "rules:app", "Show and test the rules for failures."),
    LazyCommand("hpc", "hpc:app", "Show HPC profiles: clusters, their partitions and limits."),
    LazyCommand("notify", "notify:app", "Test the channels for news, and list what was sent."),
    LazyCommand("service", "service:app", "Run the daemon as a systemd user service."),
    LazyCommand("config", "config:app", "Show the configuration."),
    LazyCommand("sandbox", "sandbox:app", "Run a Torc server on this machine, to try things out."),
)


class _Commands(LazyGroup):
    lazy_commands = COMMANDS


app = typer.Typer(
    cls=_Commands,
    name="torc-watchd",
    help="Watches Torc workflows, finds out why jobs failed, fixes what can be fixed, resubmits.",
    epilog=EXIT_STATUS_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # of all commands
)


def _show_version(wanted: bool) -> None:
    if wanted:
        load("version:show_version")()
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass
