"""nodes: which nodes fail jobs, and are kept out of new allocations for a time."""

from typing import Annotated

import typer

from torc_watch.app.node_scores import clear_nodes, scored_nodes
from torc_watch.cli import options
from torc_watch.cli.json_output import print_json
from torc_watch.config.settings import load_settings
from torc_watch.config.sources import state_folder
from torc_watch.core.errors import InvalidInput
from torc_watch.render.node_list import node_list_text, node_list_values
from torc_watch.render.terminal_text import printable

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def nodes(context: typer.Context, *, as_json: options.Json = False) -> None:
    """Show nodes that fail jobs, and clear them.

    A node gets a score for failures that it may be to blame for, in all of your workflows: that it
    failed itself, that its GPU or a file system failed on it, or that jobs failed there in their
    first minute that succeeded on another node. The score halves every 12 hours. From 0.75 on new
    allocations keep away from the node (sbatch --exclude), but from no more than 8 nodes and a
    tenth of those that an allocation could get. exclude_nodes = false in config.toml uses them all.

    \b
    Examples:
      torc-watchd nodes
      torc-watchd nodes --json
      torc-watchd nodes clear n07
    """
    if context.invoked_subcommand is not None:
        return
    scores, excludes = scored_nodes(state_folder()), load_settings().exclude_nodes
    if as_json:
        print_json({"nodes": node_list_values(scores, excludes=excludes)})
        return
    for line in node_list_text(scores, excludes=excludes):
        print(line, flush=True)


@app.command("clear")
def clear(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of nodes.", metavar="NODE", show_default=False),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Clear all nodes.")] = False,
    as_json: options.Json = False,
) -> None:
    """Forget what nodes have failed, so that allocations use them again.

    \b
    Examples:
      torc-watchd nodes clear n07 n08
      torc-watchd nodes clear --all
    """
    if bool(names) == every:
        raise InvalidInput("Name the nodes, or give --all: torc-watchd nodes clear n07")
    cleared = clear_nodes(state_folder(), None if every else names)
    if as_json:
        print_json({"cleared": list(cleared)})
        return
    for name in cleared:
        print(f"Node {printable(name)} is cleared.")
    if not cleared:
        print("No node has failed jobs lately.")
