"""config show: every setting, its value, and the origin of that value."""

import json

import typer

from torc_watch.cli import options
from torc_watch.cli.json_output import print_json
from torc_watch.config.settings import load_settings
from torc_watch.config.shown_settings import shown_settings
from torc_watch.config.sources import config_files

app = typer.Typer(help="Show the configuration.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Show the configuration and where each value comes from."""


@app.command()
def show(*, as_json: options.Json = False) -> None:
    """Show every setting, its value, and where the value comes from.

    An option of a command overrides the environment, which overrides the user's file, which
    overrides the site's file. A daemon that runs as a service reads the same files, but its
    environment is not that of this shell.

    \b
    Examples:
      torc-watchd config show
      torc-watchd config show --json
    """
    shown = shown_settings(load_settings())
    if as_json:
        print_json({"settings": shown, "files": _files()})
        return
    width = max(map(len, shown))
    for key, each in shown.items():
        print(f"{key:{width}}  {_text(each['value'])}  ({each['from']})")
    print()
    for path in config_files():
        print(f"{path}{'' if path.exists() else ' (does not exist)'}")


def _files() -> list[dict[str, object]]:
    return [{"path": str(path), "exists": path.exists()} for path in config_files()]


def _text(value: object) -> str:
    """As it is written in the file."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
