"""The history of a workflow: its watches, with the outcome and the changes of each round."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from torc_watch.core.past_watch import PastProposal, PastRound, PastWatch
from torc_watch.core.recovery_round import Plan, RoundOutcome
from torc_watch.engine.proposal_table import ProposalEnd
from torc_watch.render.price_text import proposed_price_text
from torc_watch.render.proposal_text import answer_text, proposal_values
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import local_time, waits_until
from torc_watch.render.transcript import allocation_texts, jobs_text, plan_lines

_NOT_BEGUN = (RoundOutcome.POSTPONED, RoundOutcome.DECLINED, RoundOutcome.REFUSED)


def history_text(watches: Iterable[PastWatch]) -> Iterator[str]:
    for watch in watches:
        yield f"{local_time(watch.began)}  Watch of workflow {watch.workflow_id} on {watch.server}"
        yield from rounds_text(watch.rounds, watch.proposals)
        if watch.ended:
            verdict = (watch.verdict or "").replace("_", " ")
            reason = f". {printable(watch.reason)}" if watch.reason else ""
            yield f"{local_time(watch.ended)}  Ended: {verdict}{reason}"
        else:
            yield "Still running."


def rounds_text(
    rounds: Iterable[PastRound], proposals: Iterable[PastProposal] = ()
) -> Iterator[str]:
    """Only those are numbered that were carried out, wholly or in part.

    A plan that waited for approval is told once, however often it was made again meanwhile.
    """
    number, told = 0, list(proposals)
    for round_ in rounds:
        if round_.outcome == RoundOutcome.PROPOSED:
            continue
        while told and told[0].proposal.proposed_at.isoformat() <= round_.began:
            yield from _proposal_text(told.pop(0))
        number += round_.outcome not in _NOT_BEGUN
        yield from _round_text(round_, number)
    for proposal in told:
        yield from _proposal_text(proposal)


def _proposal_text(past: PastProposal) -> Iterator[str]:
    proposal = past.proposal
    proposed = local_time(proposal.proposed_at.isoformat())
    yield f"{proposed}  Proposed plan {proposal.plan_id}: {proposed_price_text(proposal.price)}"
    yield f"  Approval was needed: {printable(proposal.reason)}"
    if answer := proposal.answer:
        yield f"{local_time(answer.at.isoformat())}  It was {answer_text(answer)}"
    if past.ended is None:
        yield "  It still waits." if not proposal.answer else "  It is about to be carried out."
    elif past.outcome == ProposalEnd.REPLACED:
        yield f"{local_time(past.ended)}  It was replaced: the workflow, or an option, changed"
    elif past.outcome == ProposalEnd.WITHDRAWN and not proposal.answer:
        yield f"{local_time(past.ended)}  It was withdrawn"


def _round_text(round_: PastRound, number: int) -> Iterator[str]:
    is_in_place = round_.plan is not None and round_.plan.in_place
    where = "in" if is_in_place else "after"
    run = f"{where} run {round_.run_id}{', while others ran' if is_in_place else ''}"
    is_begun = round_.outcome not in _NOT_BEGUN
    title = f"Round {number}, {run}" if is_begun else run.capitalize()
    yield f"{local_time(round_.began)}  {title}: {_end(round_)}"
    if round_.plan is not None:
        yield from plan_lines(round_.plan, with_reasons=True)
        yield from _consequences(round_.plan)


def _end(round_: PastRound) -> str:
    if round_.ended is None:
        return f"in progress at step '{round_.last_step or 'orphans'}'"
    if round_.until:
        until = waits_until(datetime.fromisoformat(round_.until), printable(round_.reason))
        return f"{round_.outcome} {until}"
    reason = f": {printable(round_.reason)}" if round_.reason else ""
    return f"{round_.outcome} at {local_time(round_.ended)[-8:]}{reason}"


def _consequences(plan: Plan) -> Iterator[str]:
    if plan.starts_run:
        jobs = jobs_text(len(plan.retries) + plan.uninitialized)
        yield f"  Run {plan.run_id + 1} starts with {jobs}"
    for text in allocation_texts(plan.allocations):
        yield f"  Runs in {text}"


def history_values(watches: Iterable[PastWatch]) -> list[dict[str, Any]]:
    """The same for scripts: memory in bytes, durations in seconds, times in UTC."""
    return [
        asdict(watch)
        | {
            "rounds": round_values(watch.rounds),
            "proposals": [_past_values(each) for each in watch.proposals],
        }
        for watch in watches
    ]


def _past_values(past: PastProposal) -> dict[str, Any]:
    return {**proposal_values(past.proposal), "ended": past.ended, "outcome": past.outcome}


def round_values(rounds: Iterable[PastRound]) -> list[dict[str, Any]]:
    return [asdict(round_) for round_ in rounds]
