"""The whole page: what counts on top, then the evidence, then the measurements."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files

from torc_watch.core.report import WorkflowReport
from torc_watch.render.report_page.advice import advice
from torc_watch.render.report_page.failure_section import failure_section
from torc_watch.render.report_page.history_section import history_section
from torc_watch.render.report_page.markup import Markup, element, joined, listed
from torc_watch.render.report_page.picture import Pictures, draw
from torc_watch.render.report_page.place_section import hours_section, timeline_section
from torc_watch.render.report_page.round_section import round_section
from torc_watch.render.report_page.summary import key_numbers, mark, sentences
from torc_watch.render.report_page.use_section import use_section
from torc_watch.render.report_page.words import moment, zone
from torc_watch.render.terminal_text import printable
from torc_watch.torc.transport import API_PATH

GENERATOR = "torc-watchd report"  # by which a file is known as one of ours
# The page loads nothing, and runs nothing, whatever may be in it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    name: str
    title: str
    content: tuple[Markup, ...]


def report_page(report: WorkflowReport) -> str:
    """One HTML file. Pictures need matplotlib; without it there are the tables, and a sentence."""
    pictures = draw(report)
    sections = tuple(_sections(report, pictures))
    body = element(
        "body",
        element(
            "main",
            _header(report),
            _summary(report),
            _contents(sections),
            *(_section(each) for each in sections),
            _footer(report, pictures),
        ),
    )
    return f"<!DOCTYPE html>\n{element('html', _head(report), body, lang='en').text}\n"


def is_report(beginning: str) -> bool:
    """Whether a file that begins so is a report, of any version."""
    return f'<meta name="generator" content="{GENERATOR}' in beginning


def _head(report: WorkflowReport) -> Markup:
    style = files(__package__ or "").joinpath("report.css").read_text("utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=f"{GENERATOR} {report.version}"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Workflow {report.key.workflow_id}: report"),
        Markup(f"<style>{style}</style>"),
    )


def _header(report: WorkflowReport) -> Markup:
    known = report.known
    name = known.workflow.name if known else ""
    server = report.key.server.removesuffix(API_PATH)
    about = [f"Report of workflow {report.key.workflow_id}", server]
    if known is not None:
        about += [f"user {known.workflow.user}", f"run {known.workflow.run_id}"]
    return element(
        "header",
        element("h1", printable(name) or f"Workflow {report.key.workflow_id}"),
        element("p", joined(about, " · "), class_="about"),
    )


def _summary(report: WorkflowReport) -> Markup:
    numbers = [
        element(
            "div",
            element("dt", number.name),
            element("dd", element("strong", number.value), element("span", number.note)),
        )
        for number in key_numbers(report)
    ]
    return element(
        "section",
        mark(report),
        element("p", joined(sentences(report), " "), class_="lead"),
        element("dl", *numbers),
        _advice(report),
        class_="summary",
    )


def _advice(report: WorkflowReport) -> Markup:
    given = advice(report)
    steps = [
        joined((element("code", step.command), f" {step.text}")) if step.command else step.text
        for step in given.steps
    ]
    return element(
        "div",
        element("h2", "What to do next", id="next"),
        element("p", given.says),
        listed(given.details, class_="plan"),
        listed(steps, class_="steps"),
        class_="next-steps",
    )


def _sections(report: WorkflowReport, pictures: Pictures) -> Iterator[_Section]:
    known = report.known
    yield _made("failures", "Why jobs failed", failure_section(report))
    yield _made("rounds", "Rounds of recovery", round_section(report))
    if known is not None:
        timeline = (*pictures.timeline, *timeline_section(known))
        yield _made("timeline", "When and where jobs ran", timeline)
        use = (*pictures.use, *use_section(known))
        yield _made("use", "Memory and run time", use)
        yield _made("hours", "Node hours", (*pictures.hours, *hours_section(known)))
    yield _made("history", "What torc-watchd did, and why", history_section(report))


def _made(name: str, title: str, content: Iterable[Markup]) -> _Section:
    return _Section(name=name, title=title, content=tuple(content))


def _contents(sections: Iterable[_Section]) -> Markup:
    links = [element("a", each.title, href=f"#{each.name}") for each in sections]
    return element("nav", *links, aria_label="Contents")


def _section(section: _Section) -> Markup:
    heading = element("h2", section.title, id=section.name)
    return element("section", heading, *section.content)


def _footer(report: WorkflowReport, pictures: Pictures) -> Markup:
    notes = list(report.known.notes) if report.known else []
    made = joined(
        (
            f"Made by torc-watchd {report.version}, ",
            moment(report.made),
            f". Times are in {zone(report.made)}. Peaks of memory are sampled: lower bounds.",
        )
    )
    return element(
        "footer",
        listed(notes),
        element("p", pictures.missing) if pictures.missing else None,
        element("p", made),
    )
