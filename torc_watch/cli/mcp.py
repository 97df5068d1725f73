"""mcp: tools for an assistant, which starts this command itself."""

import sys
from typing import Annotated

import typer

from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.extra_packages import module_with_extra
from torc_watch.config.settings import load_settings


def mcp(
    *,
    allow_actions: Annotated[
        bool,
        typer.Option("--allow-actions", help="Also offer tools that change workflows, by plan."),
    ] = False,
    url: options.Url = None,
) -> None:
    """Serve tools for an AI assistant (MCP).

    An assistant starts this command itself, and speaks with it over standard input and output:
    docs/assistants.md has the configuration of the usual ones. It can ask for the state of
    workflows, why jobs failed, what they wrote and what a recovery would do. With --allow-actions
    it can also carry out a plan that it has shown. Assistants pass few variables of your
    environment on: set the server with --url or in config.toml. Needs the extra mcp:
    pip install 'torc-watch[mcp]'

    \b
    Examples:
      torc-watchd mcp
      torc-watchd mcp --url http://torc:8080 --allow-actions
      claude mcp add torc-watch -- torc-watchd mcp
    """
    settings = load_settings()
    server = module_with_extra("torc_watch.assistant.server", "mcp", "mcp")
    if sys.stdin.isatty():
        print(
            "An assistant starts this command and speaks MCP with it: see docs/assistants.md. "
            "End it with Ctrl-D.",
            file=sys.stderr,
        )
    run(lambda: server.serve(settings, url, allows_actions=allow_actions))
