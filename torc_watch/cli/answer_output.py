"""What `approve` and `reject` print."""

import sys

from torc_watch.app.plan_answers import GivenAnswer
from torc_watch.cli.json_output import print_json
from torc_watch.daemon.open_proposals import OpenProposal
from torc_watch.render.price_text import proposed_price_text
from torc_watch.render.proposal_text import answer_name, answer_text, open_proposal_values


def print_answer(given: GivenAnswer, *, as_json: bool) -> None:
    if as_json:
        values = open_proposal_values(OpenProposal(given.key, given.proposal))
        print_json({**values, "is_new": given.is_new, "note": given.note})
        return
    outcome, note = answer_lines(given)
    print(outcome)
    print(note, file=sys.stderr)


def answer_lines(given: GivenAnswer) -> tuple[str, str]:
    """What was done, and what follows from it."""
    plan = f"plan {given.proposal.plan_id} of workflow {given.key.workflow_id}"
    if given.is_new:
        done = answer_name(given.answer).capitalize()
        return f"{done} {plan}: {proposed_price_text(given.proposal.price)}", given.note
    return f"{plan.capitalize()} has its answer already: {answer_text(given.answer)}", given.note
