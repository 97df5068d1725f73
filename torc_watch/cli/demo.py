"""demo: a workflow that fails and is recovered, on this machine and in a folder of its own."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.app.demo_run import Demo, run_demo
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.watch_output import watch_output
from torc_watch.config.settings import load_settings


class Scenario(StrEnum):
    OOM = "oom"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"
    MIXED = "mixed"
    HOPELESS = "hopeless"
    MANUAL = "manual"


def demo(
    *,
    scenario: Annotated[Scenario, typer.Option(help="What goes wrong.")] = Scenario.OOM,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--directory",
            "-d",
            metavar="FOLDER",
            help="New or empty folder for everything. [default: a temporary one]",
            show_default=False,
        ),
    ] = None,
    api: options.Api = "1.0",
) -> int:
    """Show a workflow fail, be recovered, complete.

    Starts a Torc server on a free port and workers on this machine, whose jobs really run out of
    memory or time. Watches them as `torc-watchd watch` does, and ends with its exit status. Nothing
    is left running.

    \b
    Scenarios:
      oom       five of 100 jobs need more memory than they asked for (the tutorial)
      timeout   a job needs longer than it asked for
      unknown   a job fails once, for an unknown reason, and then succeeds
      mixed     all of these, with jobs that depend on them
      hopeless  a job that no retry can save (exit status 3)
      manual    the tutorial's failures, watched without recovery (exit status 1)

    \b
    Examples:
      torc-watchd demo
      torc-watchd demo --scenario mixed --directory /tmp/demo
    """
    settings = load_settings()
    chosen = Demo(scenario.value, directory, api)
    return run(lambda: run_demo(settings, chosen, watch_output, partial(print, flush=True)))
