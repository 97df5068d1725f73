"""The rounds of recovery: why jobs ran again, and with how much more."""

from collections.abc import Iterator
from datetime import datetime

from torc_watch.core.past_watch import PastRound
from torc_watch.core.report import WorkflowReport
from torc_watch.render.cause_text import cause_text
from torc_watch.render.report_page.markup import Child, Markup, Table, element, table
from torc_watch.render.report_page.repairs import (
    Repair,
    numbered,
    raises,
    repairs,
    sizing_sentences,
)
from torc_watch.render.report_page.words import moment

_MOST_ROWS = 60


def round_section(report: WorkflowReport) -> Iterator[Markup]:
    found = list(repairs(report.rounds))
    others = _without_retries(report)
    if found:
        yield table(
            Table(
                caption="Jobs that ran again, by round and cause",
                head=("Round", "When", "Cause", "Jobs", "More of", "What was observed"),
                rows=[_row(each) for each in found],
                numbers=(3,),
                most=_MOST_ROWS,
                noun="cause",
            )
        )
        for sentence in sizing_sentences(report.rounds)[:_MOST_ROWS]:
            yield element("p", sentence)
    elif report.watches:
        yield element("p", "torc-watchd ran no job again.")
    else:
        yield element("p", "torc-watchd has not watched this workflow: there were no rounds.")
    if others:
        rounds = "One round" if others == 1 else f"{others} rounds"
        yield element("p", f"{rounds} only submitted allocations.")


def _without_retries(report: WorkflowReport) -> int:
    rounds = (each for _, each in numbered(report.rounds))
    return sum(each.plan is not None and not each.plan.retries for each in rounds)


def _row(repair: Repair) -> tuple[Child, ...]:
    return (
        str(repair.number),
        moment(_began(repair.round)),
        cause_text(repair.cause),
        f"{len(repair.retries):,}",
        raises(repair.retries) or "nothing, unchanged",
        repair.reason,
    )


def _began(each: PastRound) -> datetime:
    return datetime.fromisoformat(each.began)
