"""notify: tests the channels by which news go, and lists what went."""

import sys
from typing import Annotated

import typer

from torc_watch.app.news_desk import news_channels
from torc_watch.app.news_trial import NewsTrial, try_channels
from torc_watch.cli import event_loop, options
from torc_watch.cli.exit_status import UNSENT
from torc_watch.cli.json_output import print_json
from torc_watch.config.settings import load_settings
from torc_watch.config.sources import config_files, state_folder
from torc_watch.core.errors import InvalidInput
from torc_watch.daemon.outbox import listed_news
from torc_watch.render.news_list import news_list_text, news_list_values
from torc_watch.render.terminal_text import printable

_MAX_PROBLEM = 500
_LIMIT = 50
_MOST = 10_000

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Test the channels for news, and list what was sent.

    The daemon sends news: that a workflow needs you, is stuck or has succeeded, that half of the
    retries are used, a plan waits for approval, or another login node took over. Set where it goes
    in config.toml, with notify, notify_mail or notify_command.

    \b
    Examples:
      torc-watchd notify test
      torc-watchd notify list
    """


@app.command("test")
def trial(*, as_json: options.Json = False) -> None:
    """Send a test by each configured channel, now.

    It says what became of each. Quiet hours and limits hold nothing back. A channel has a minute.
    The exit status is 0 when every channel took the message, else 15.

    \b
    Examples:
      torc-watchd notify test
      torc-watchd notify test --json
      TORC_WATCHD_NOTIFY=ntfy://my-topic torc-watchd notify test
    """
    channels = news_channels(load_settings())
    if not channels:
        raise InvalidInput(
            f"No channel is configured. Set notify_mail, notify or notify_command in "
            f"{config_files()[0]}, such as: notify_mail = 'ada@example.org'"
        )
    names = ", ".join(printable(channel.name) for channel in channels)
    print(f"Sending by {names}...", file=sys.stderr)
    trials = event_loop.run(lambda: try_channels(channels))
    if as_json:
        print_json({"channels": [_values(trial) for trial in trials]})
    else:
        for trial in trials:
            print(f"{printable(trial.channel)}: {_text(trial)}")
    if any(trial.problem for trial in trials):
        raise typer.Exit(UNSENT)


@app.command("list")
def list_(
    *,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            "-n",
            metavar="NUMBER",
            callback=options.at_least(1),
            help="How many, the newest first.",
        ),
    ] = _LIMIT,
    as_json: options.Json = False,
) -> None:
    """List the news of the last 30 days.

    Each is there once for each channel: when it was sent, that it waits, or why it was given up.

    \b
    Examples:
      torc-watchd notify list
      torc-watchd notify list -n 10 --json
    """
    news = listed_news(state_folder(), min(limit, _MOST))
    if as_json:
        print_json({"news": news_list_values(news)})
        return
    for line in news_list_text(news):
        print(line, flush=True)


def _text(trial: NewsTrial) -> str:
    return f"failed: {printable(trial.problem, _MAX_PROBLEM)}" if trial.problem else "sent"


def _values(trial: NewsTrial) -> dict[str, object]:
    return {"channel": trial.channel, "sent": not trial.problem, "problem": trial.problem or None}
