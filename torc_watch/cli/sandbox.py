"""sandbox: a Torc server on this machine, to try things out."""

from pathlib import Path
from typing import Annotated

import typer

from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.sandbox.server import ServerSettings
from torc_watch.sandbox.server import serve as serve_torc

app = typer.Typer(
    help="Run a Torc server on this machine, to try things out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_PORT_OF_TORC = 8080  # where Torc's clients look for a server unless told otherwise


@app.callback()
def sandbox() -> None:
    pass


@app.command()
def serve(
    *,
    directory: Annotated[
        Path,
        typer.Option(
            "--directory", "-d", metavar="FOLDER", help="Folder that keeps the server's data."
        ),
    ] = Path("sandbox"),
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            callback=options.port_number,
            metavar="NUMBER",
            help="Port to listen on; 0 chooses a free one.",
        ),
    ] = _PORT_OF_TORC,
    api: options.Api = "1.0",
    unblock_interval: Annotated[
        float,
        typer.Option(
            callback=options.positive,
            metavar="SECONDS",
            help="How often blocked jobs are checked, in seconds.",
        ),
    ] = 1.0,
    as_json: options.Json = False,
) -> None:
    """Run an embedded Torc server until interrupted.

    Its data is kept in the directory: a server that is started there again uses it.

    \b
    Examples:
      torc-watchd sandbox serve
      torc-watchd sandbox serve --port 0 --directory /tmp/torc --api 0.12 --json
    """
    settings = ServerSettings(
        directory=directory, api_version=api, unblock_interval=unblock_interval
    )

    def announce(url: str) -> None:
        if as_json:
            print_json({"url": url, "api": api, "directory": str(directory)})
        else:
            print(f"Torc server (API {api}) at {url}, data in {directory}. Ctrl-C stops it.")
            print(f"In other shells: export TORC_API_URL={url}", flush=True)

    async def command() -> None:
        await serve_torc(settings, host=host, port=port, announce=announce)

    run(command)
