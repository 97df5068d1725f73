"""The command line: options in, exit status out. Commands decide nothing themselves."""

from typing import Annotated

import typer

from torc_watch.cli import (
    config,
    demonstrating,
    doctoring,
    inspecting,
    listing,
    ordering,
    reading,
    sandboxing,
    servicing,
    serving,
    submitting,
    watching,
)

_EXIT_STATUS = """\b
Exit status:
  0    every job completed
  1    finished with failures and recovery off, or handed over to a person
  2    usage: something in the command is wrong
  3    retries exhausted
  4    stuck: jobs are left, nothing runs them and nothing more may be done
  5    the server cannot be reached, or refuses us
  130  interrupted
"""

app = typer.Typer(
    name="torc-watchd",
    help="Watches Torc workflows, finds out why jobs failed, fixes what can be fixed, resubmits.",
    epilog=_EXIT_STATUS,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print("torc-watchd", version("torc-watch"))
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


app.command(epilog=_EXIT_STATUS)(watching.watch)
app.command()(watching.plan)
app.command()(watching.recover)
app.command()(watching.workflows)
app.command()(submitting.submit)
app.command()(serving.run)
app.command()(ordering.add)
app.command("set")(ordering.set_)
app.command()(ordering.pause)
app.command()(ordering.resume)
app.command()(ordering.remove)
app.command("list")(listing.list_workflows)
app.command()(inspecting.status)
app.command()(inspecting.history)
app.command()(reading.logs)
app.command()(doctoring.doctor)
app.command(epilog=_EXIT_STATUS)(demonstrating.demo)
app.add_typer(servicing.app, name="service")
app.add_typer(config.app, name="config")
app.add_typer(sandboxing.app, name="sandbox")


def main() -> None:
    app()
