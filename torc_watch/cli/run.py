"""run: the daemon."""

from typing import Annotated

import typer

from torc_watch.app.daemon_process import run_daemon
from torc_watch.cli import event_loop
from torc_watch.config.settings import load_settings
from torc_watch.logs.daemon_output import open_daemon_output


def run(
    *,
    once: Annotated[
        bool,
        typer.Option("--once", help="Check every workflow once, recover what is due, and end."),
    ] = False,
) -> None:
    """Watch all workflows that were added, until stopped.

    One daemon acts for you, across all login nodes that share your home folder; others stand by and
    take over when it is gone. A changed configuration file is read within ten seconds, and SIGHUP
    reads all of it again. SIGTERM and Ctrl-C let rounds of recovery in progress end first, for up
    to a minute; a second one ends the daemon at once.

    With --once it ends with 0 when every workflow was checked or another daemon is active, and with
    5 when some could not be checked: it does not wait for a server that does not answer.

    \b
    Examples:
      torc-watchd run
      torc-watchd run --once
    """
    settings = load_settings()
    output = open_daemon_output(settings.home)
    event_loop.run(
        lambda: run_daemon(settings, load_settings, output.report, output.announce, once=once)
    )
