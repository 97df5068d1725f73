"""What commands to the daemon print: what happened, or will happen, to each workflow."""

import sys
from collections.abc import Iterator
from typing import Any

from torc_watch.app.command_delivery import Sent, SentCommand
from torc_watch.cli.json_output import print_json
from torc_watch.daemon.commands import Action

_DONE = {
    Action.ADD: "added",
    Action.SET: "changed",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.REMOVE: "removed",
}


def print_sent(sent: Sent, *, as_json: bool = False) -> None:
    if as_json:
        print_json(
            {
                "pending": sent.pending,
                "trouble": sent.trouble,
                "workflows": [_values(each) for each in sent.commands],
            }
        )
        return
    for line in _outcomes(sent):
        print(line)
    if sent.trouble:
        print_warning(sent.trouble)
    if sent.pending:
        print(sent.pending, file=sys.stderr)


def sent_lines(sent: Sent) -> list[str]:
    """The same, for a screen that has no streams."""
    return [*_outcomes(sent), *filter(None, (sent.trouble, sent.pending))]


def _outcomes(sent: Sent) -> Iterator[str]:
    for each in sent.commands:
        command = each.command
        note = f": {each.note}" if each.note else ""
        outcome = _outcome(each, is_applied=not sent.pending)
        yield f"Workflow {command.workflow_id} {outcome} ({command.server}){note}"


def _values(sent: SentCommand) -> dict[str, Any]:
    command = sent.command
    return {
        "server": command.server,
        "workflow_id": command.workflow_id,
        "action": command.action,
        "changed": sent.has_effect,
        "note": sent.note,
    }


def print_warning(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr)


def _outcome(sent: SentCommand, *, is_applied: bool) -> str:
    if not sent.has_effect:
        return "is unchanged"
    done = _DONE[sent.command.action]
    return done if is_applied else f"will be {done}"
