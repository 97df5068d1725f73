"""config show: what is configured, and where."""

import json

import typer

from torc_watch.cli import options
from torc_watch.config.settings import load_settings
from torc_watch.config.sources import configured, files

app = typer.Typer(help="Show the configuration.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Show the configuration."""


@app.command()
def show(*, as_json: options.Json = False) -> None:
    """Show every setting, its value and where that comes from.

    An option of a command comes before the environment, that before the user's file, and that
    before the site's file. A daemon that runs as a service reads the same files, but has another
    environment than this shell.

    \b
    Examples:
      torc-watchd config show
      torc-watchd config show --json
    """
    settings = load_settings()
    shown = settings.model_dump(mode="json")
    if "@" in settings.api_url:  # a password may be in it, which no command accepts
        shown["api_url"] = "**********"
    origins = configured()
    sources = {key: origins[key].origin if key in origins else "default" for key in shown}
    if as_json:
        values = {key: {"value": value, "from": sources[key]} for key, value in shown.items()}
        print(json.dumps(values))
        return
    width = max(map(len, shown))
    for key, value in shown.items():
        print(f"{key:{width}}  {_text(value)}  ({sources[key]})")
    print()
    for path in files():
        print(f"{path}{'' if path.exists() else ' (not there)'}")


def _text(value: object) -> str:
    """As it is written in the file, where it can be set at all."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
