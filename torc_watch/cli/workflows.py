"""workflows: those that the server has."""

import json
from dataclasses import asdict

from torc_watch.app.composition import open_client
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.core.model import Workflow
from torc_watch.render.terminal_text import printable
from torc_watch.torc.transport import Connection


def workflows(*, url: options.Url = None, as_json: options.Json = False) -> None:
    """List the workflows on the server.

    \b
    Examples:
      torc-watchd workflows --json
    """
    connection = load_settings().connection(url)
    found = run(announced(connection, lambda: _list(connection)))
    if as_json:
        print(json.dumps([asdict(workflow) for workflow in found]))
    for workflow in () if as_json else found:
        print(f"{workflow.id:>6}  {printable(workflow.user):12} {printable(workflow.name)}")


async def _list(connection: Connection) -> list[Workflow]:
    async with open_client(connection) as client:
        return await client.list_workflows()
