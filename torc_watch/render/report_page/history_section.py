"""What torc-watchd did for the workflow, when and why."""

from collections.abc import Iterable, Iterator
from itertools import islice

from torc_watch.core.report import WorkflowReport
from torc_watch.render.history_text import history_text
from torc_watch.render.report_page.markup import Markup, element, listed
from torc_watch.render.report_page.words import count

_MOST_ENTRIES = 100  # the last ones
_MOST_DETAILS = 20  # of one entry


def history_section(report: WorkflowReport) -> Iterator[Markup]:
    """As `history` prints it: lines that are indented belong to the one before."""
    entries: list[tuple[str, list[str]]] = []
    for line in history_text(report.watches):
        if line.startswith(" ") and entries:
            entries[-1][1].append(line.strip())
        else:
            entries.append((line, []))
    if not entries:
        yield element("p", "torc-watchd has not watched this workflow.")
        return
    if (earlier := len(entries) - _MOST_ENTRIES) > 0:
        before = count(earlier, "earlier entry", "earlier entries")
        yield element("p", f"{before}: torc-watchd history {report.key.workflow_id}")
    shown = entries[-_MOST_ENTRIES:]
    yield element("ol", *(_entry(line, details) for line, details in shown), class_="history")


def _entry(line: str, details: Iterable[str]) -> Markup:
    time, _, text = line.partition("  ")
    listed_details = list(details)
    more = len(listed_details) - _MOST_DETAILS
    rest = [f"and {count(more, 'more line')}"] if more > 0 else []
    return element(
        "li",
        element("span", time, class_="when") if text else None,
        element("span", f" {text}" if text else line),
        listed((*islice(listed_details, _MOST_DETAILS), *rest)),
    )
