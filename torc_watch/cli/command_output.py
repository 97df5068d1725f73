"""What commands to the daemon print: what happened, or will happen, to each workflow."""

import sys

from torc_watch.app.command_delivery import Sent, SentCommand
from torc_watch.daemon.commands import Action

_DONE = {
    Action.ADD: "added",
    Action.SET: "changed",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.REMOVE: "removed",
}


def print_sent(sent: Sent) -> None:
    for each in sent.commands:
        command = each.command
        note = f": {each.note}" if each.note else ""
        outcome = _outcome(each, is_applied=not sent.pending)
        print(f"Workflow {command.workflow_id} {outcome} ({command.server}){note}")
    if sent.trouble:
        print_warning(sent.trouble)
    if sent.pending:
        print(sent.pending, file=sys.stderr)


def print_warning(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr)


def _outcome(sent: SentCommand, *, is_applied: bool) -> str:
    if not sent.has_effect:
        return "is unchanged"
    done = _DONE[sent.command.action]
    return done if is_applied else f"will be {done}"
