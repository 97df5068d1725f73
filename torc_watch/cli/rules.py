"""rules: by which lines of their output failures of jobs are told apart."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from torc_watch.app.composition import read_rules, rules
from torc_watch.app.rule_cost import slow_rules
from torc_watch.cli import options
from torc_watch.cli.json_output import print_json
from torc_watch.config.sources import existing_rule_files, rule_files
from torc_watch.core.clue import Clue, leading
from torc_watch.core.errors import InvalidInput
from torc_watch.core.os_errors import describe_os_error
from torc_watch.failures.output_search import OutputSearch, OutputText
from torc_watch.failures.rule import Rule
from torc_watch.host.file_excerpt import read_excerpt
from torc_watch.render.terminal_text import printable
from torc_watch.render.why_text import clue_values

app = typer.Typer(
    help="Show and test the rules for failures.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """Show and test the rules by which the output of failed jobs is read."""


@app.command("list")
def list_(*, as_json: options.Json = False) -> None:
    """List all rules: yours, your site's, and those that come with torc-watchd.

    \b
    Examples:
      torc-watchd rules list
      torc-watchd rules list --json
    """
    found, files = rules(), _files_of_rules()
    if as_json:
        values = [_rule_values(rule) | {"file": _text(files.get(rule.name))} for rule in found]
        print_json({"rules": values})
        return
    width = max(len(rule.name) for rule in found)
    users = rule_files()[0]
    for rule in found:
        file = files.get(rule.name)
        whose = "" if file is None else "yours" if file == users else "site"
        name = f"{printable(rule.name):{width}}"
        print(f"{name}  {rule.cause:16}  {whose:5}  {printable(rule.says)}")
    print()
    for path in rule_files():
        print(f"{path}{'' if path.exists() else ' (does not exist)'}")


def _files_of_rules() -> dict[str, Path]:
    """The file of a rule, by its name; none of those that come with torc-watchd."""
    files: dict[str, Path] = {}
    for path in existing_rule_files():
        for rule in read_rules(path):
            files.setdefault(rule.name, path)
    return files


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


@app.command("test")
def check_rules(
    file: Annotated[
        Path, typer.Argument(help="Your rules, in TOML.", metavar="FILE", show_default=False)
    ],
    outputs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files that one job has written: your rules are tried on them, before all others.",
            metavar="[OUTPUT]...",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """Check a file of rules, and try it on the output of a job.

    Each rule is a table [[rule]] with name, cause, pattern and says; weight (scheduler, fatal,
    hint, echo), example and remedy are optional. The pattern is searched from the beginning of each
    line. docs/failures.md explains all of this.

    \b
    Examples:
      torc-watchd rules test rules.toml
      torc-watchd rules test rules.toml torc_output/job_stdio/job_wf42_j7_r1_a1.e
    """
    own = read_rules(file)
    known = {rule.name: rule for rule in (*rules(), *own)}
    search = OutputSearch([*own, *(rule for rule in known.values() if rule not in own)])
    clues = search.clues(map(_output, outputs or ()))
    slow = slow_rules(own)
    if as_json:
        values = {"rules": len(own), "clues": list(map(clue_values, clues))}
        counts = clue_values(leading(clues))
        print_json(values | {"counts": counts, "slow": list(map(asdict, slow))})
        return
    print(f"{file}: {len(own)} {'rule' if len(own) == 1 else 'rules'}, all valid.")
    for each in slow:
        print(
            f"Rule {printable(each.name)} is slow: {each.seconds:.1f} s for 100 KB of output. "
            "Begin it without .* or use fewer and shorter repetitions."
        )
    if outputs:
        _print_clues(clues, with_files=len(outputs) > 1)


def _print_clues(clues: tuple[Clue, ...], *, with_files: bool) -> None:
    counts = leading(clues)
    for clue in clues:
        mark = "*" if clue is counts else " "
        where = f" ({printable(clue.file)})" if with_files else ""
        print(f"{mark} {printable(clue.rule)} ({clue.cause}): {printable(clue.line)}{where}")
    print("The line with * counts." if clues else "No rule knows a line of it.")


def _output(path: Path) -> OutputText:
    """Raises InvalidInput."""
    try:
        text = read_excerpt(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {describe_os_error(error)}") from None
    if text is None:
        raise InvalidInput(f"{path} is no file.")
    return OutputText(file=str(path), text=text)


def _rule_values(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "cause": rule.cause,
        "weight": rule.weight.name.lower(),
        "says": rule.says,
        "pattern": rule.pattern,
        "example": rule.example,
        "remedy": rule.remedy,
    }
