"""The words of news: subject and body of each piece, and of the message that goes."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from torc_watch.core import events
from torc_watch.core.events import Event, FailedJob, Verdict, WatchEnded
from torc_watch.core.news import NewsItem, NewsKind, NewsMessage, NewsSubject, RecoveryCost
from torc_watch.core.units import hours_text
from torc_watch.daemon.lease_rules import Holder
from torc_watch.render.job_groups import alike, named
from torc_watch.render.price_text import counted, price_text
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import duration
from torc_watch.render.transcript import error_output_lines, jobs_text

_MAX_NAME = 60
_MAX_REASON = 1000
_MAX_JOB_REASON = 300
_MAX_GROUPS = 10  # of failed jobs
_MAX_ITEMS = 50  # of a digest
_MAX_BODIES = 5  # of a digest that has them in full
_VERDICT_WORDS = {
    Verdict.SUCCEEDED: "succeeded",
    Verdict.FAILED: "ended with failed jobs",
    Verdict.HANDED_OVER: "needs you",
    Verdict.EXHAUSTED: "needs you: all retries are used",
    Verdict.CRASHED: "needs you: internal error of torc-watch",
    Verdict.STUCK: "is stuck",
}
_REPEATED = "You may have had this before: an earlier attempt to send it was cut off."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsContext:
    """What stands beside an event: ``url`` is the server, where commands need it.

    ``cost`` and ``elapsed``, since the watch began, are None where they are not known.
    """

    about: NewsSubject
    url: str | None = None
    cost: RecoveryCost | None = None
    elapsed: timedelta | None = None


def news_text(event: Event, context: NewsContext) -> tuple[str, str]:
    """Subject and body: what happened, why, what it cost, what to do next."""
    what, why, commands = _parts(event, context)
    about = context.about
    subject = f"{workflow_text(about)} {what}"
    lines = [f"{subject}.", f"Server: {printable(about.server, _MAX_REASON)}", *why]
    lines += _cost_lines(context)
    if commands:
        lines += ["", "What to do next:", *(f"  {command}" for command in commands)]
    return subject, "\n".join(lines)


def workflow_text(about: NewsSubject) -> str:
    name = f" ({printable(about.name, _MAX_NAME)})" if about.name else ""
    return f"Workflow {about.workflow_id}{name}"


def takeover_text(predecessor: Holder, me: Holder) -> tuple[str, str]:
    """Of a daemon that took the lease of another login node."""
    there, here = printable(predecessor.host), printable(me.host)
    silence = f"sent no heartbeat for {predecessor.patience:.0f} s"
    lines = (
        f"The daemon on {here} watches your workflows now.",
        f"Why: the one on {there} (process {predecessor.pid}) {silence}.",
        "That login node may be down, or cannot reach the state folder.",
        "Rounds of recovery that it had begun are finished; nothing is done twice.",
        "",
        "What to do next:",
        "  torc-watchd list     # the state of all workflows",
        f"  torc-watchd doctor   # on {there}: what keeps the daemon from running",
    )
    return f"The daemon on {here} took over from {there}", "\n".join(lines)


def trial_text(host: str) -> tuple[str, str]:
    """Of the message by which a user tries the channels."""
    return f"Test from {printable(host)}", (
        "This is a test of the news of torc-watchd: this channel works. There is nothing to do."
    )


def message_of(items: Sequence[NewsItem], *, may_be_repeated: bool) -> NewsMessage:
    """One message of everything that waits, at least one piece, the oldest first."""
    subject, body = (items[0].subject, items[0].body) if len(items) == 1 else _digest(items)
    if may_be_repeated:
        body = f"{_REPEATED}\n\n{body}"
    return NewsMessage(
        subject=f"torc-watchd: {subject}",
        body=f"{body}\n",
        items=tuple(items),
        may_be_repeated=may_be_repeated,
    )


def message_values(message: NewsMessage) -> dict[str, Any]:
    """The JSON for a user's program (docs/news.md)."""
    return {
        "version": 1,
        "subject": message.subject,
        "body": message.body,
        "may_be_repeated": message.may_be_repeated,
        "news": [
            {
                "kind": str(item.fact.kind),
                "at": item.at.isoformat(timespec="seconds"),
                "server": item.server or None,
                "workflow_id": item.workflow_id or None,
                "subject": item.subject,
                "body": item.body,
            }
            for item in message.items
        ],
    }


def _digest(items: Sequence[NewsItem]) -> tuple[str, str]:
    needing = sum(item.fact.kind in (NewsKind.HANDED_OVER, NewsKind.APPROVAL) for item in items)
    subject = f"{len(items)} news{f', {needing} for you to act on' if needing else ''}"
    lines = [
        f"{item.at.astimezone():%Y-%m-%d %H:%M}  {item.subject}" for item in items[:_MAX_ITEMS]
    ]
    if len(items) > _MAX_ITEMS:
        lines.append(f"... and {len(items) - _MAX_ITEMS} more: torc-watchd notify list")
    for item in items if len(items) <= _MAX_BODIES else ():
        lines += ["", "-" * 20, "", item.body]
    return subject, "\n".join(lines)


def _parts(event: Event, context: NewsContext) -> tuple[str, list[str], tuple[str, ...]]:
    """What happened, further lines, and commands."""
    about = context.about
    target = str(about.workflow_id)
    if context.url:
        target += f" --url {shlex.quote(context.url)}"
    status = f"torc-watchd status {target}   # the jobs, and what their allocations wait for"
    match event:
        case WatchEnded(verdict=verdict):
            return _VERDICT_WORDS[verdict], _end_lines(event, about), _after(event, target)
        case events.AllocationUnstartable(scheduler_id=number, status=found):
            reason = printable(found.detail, _MAX_REASON) or "its scheduler says so"
            why = [f"Why: allocation {number} will never start: {reason}"]
            return "has an allocation that will never start", why, (status, f"scancel {number}")
        case events.AllocationsWaiting(scheduler_ids=numbers, detail=detail):
            why = [f"Why: {_allocations(numbers)}: {printable(detail, _MAX_REASON)}"]
            return "waits in the queue for more than its turn", why, (status,)
        case events.RecoveryPlanned(plan=plan):
            held = f", and {plan.held} more wait for what that shows" if plan.held else ""
            again = jobs_text(len(plan.retries))
            why = [f"This round runs {again} again{held}; it goes on by itself."]
            used = f"has used {about.rounds} of {about.max_retries} retries"
            commands = (
                f"torc-watchd why {target}       # why jobs failed, with the evidence",
                f"torc-watchd history {target}   # what each round changed",
                f"torc-watchd pause {target}     # stops after this round",
            )
            return used, why, commands
        case events.PlanProposed():
            return _proposal(event, target)
        case _:
            raise AssertionError(event)  # `core.news.fact_of` lets nothing else pass


def _proposal(event: events.PlanProposed, target: str) -> tuple[str, list[str], tuple[str, ...]]:
    """The commands say which plan: when they are given another may wait."""
    why = [
        f"Why: {printable(event.reason, _MAX_REASON)}",
        f"Price of plan {event.plan_id}: {price_text(event.price)}",
    ]
    commands = (
        f"torc-watchd plan {target} --show                    # what it would change",
        f"torc-watchd approve {target} --plan {event.plan_id}",
        f"torc-watchd reject {target} --plan {event.plan_id} --reason TEXT",
    )
    return "has a plan that waits for your approval", why, commands


def _end_lines(event: WatchEnded, about: NewsSubject) -> list[str]:
    lines = [f"Why: {printable(event.reason, _MAX_REASON)}"] if event.reason else []
    if about.counts:
        lines.append("Jobs: " + ", ".join(f"{key}={n}" for key, n in about.counts.items()))
    groups = alike(event.evidence, lambda job: job.reason)
    if groups:
        lines.append("Failed jobs:")
    for jobs in groups[:_MAX_GROUPS]:
        lines += _failed(jobs)
    if len(groups) > _MAX_GROUPS:
        lines.append(f"  ... and {len(groups) - _MAX_GROUPS} other kinds of failure")
    return lines


def _failed(jobs: Sequence[FailedJob]) -> Iterator[str]:
    names = named([(job.job_id, job.job_name) for job in jobs])
    yield f"  {names}: {printable(jobs[0].reason, _MAX_JOB_REASON)}"
    if written := next((job for job in jobs if job.errors), None):
        yield from error_output_lines(written)


def _after(event: WatchEnded, target: str) -> tuple[str, ...]:
    if event.verdict is Verdict.SUCCEEDED:
        return ()
    return (
        f"torc-watchd why {target}      # why jobs failed, with the evidence",
        f"torc-watchd plan {target}     # what one more round of recovery would do",
        f"torc-watchd recover {target}  # carries out that round",
        f"torc-watchd resume {target}   # watches on, with all retries",
    )


def _cost_lines(context: NewsContext) -> list[str]:
    parts = []
    if context.about.max_retries is not None:
        parts.append(f"{context.about.rounds} of {context.about.max_retries} retries")
    if context.cost and context.cost.allocations:
        parts.append(_cost_text(context.cost))
    if context.elapsed is not None:
        parts.append(f"{duration(context.elapsed)} since the watch began")
    return [f"Cost: {'; '.join(parts)}"] if parts else []


def _cost_text(cost: RecoveryCost) -> str:
    number = counted(cost.allocations, "allocation")
    if cost.node_hours is None:
        return f"{number} of recovery on this machine"
    return f"{number} of recovery, at most {hours_text(cost.node_hours)} node hours"


def _allocations(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"{'allocation' if len(numbers) == 1 else 'allocations'} {shown}{more}"
