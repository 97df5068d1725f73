"""The page of a report: safe, self-contained, and right in what it says."""

import json
import re
import sys
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

import torc_watch.render.report_page as package
from tests.rigs.json_shapes import assert_documented
from tests.rigs.workflow_reports import BEGAN, Sample, sample_report
from torc_watch.core.assessment import WorkflowState
from torc_watch.core.cause import Cause
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.recovery_round import (
    Plan,
    Postponement,
    Refusal,
    RefusalKind,
    Retry,
    Wait,
)
from torc_watch.core.report import WorkflowReport
from torc_watch.core.units import GIB
from torc_watch.render.report_page.advice import advice
from torc_watch.render.report_page.page import is_report, report_page
from torc_watch.render.report_page.repairs import raises
from torc_watch.render.report_page.summary import Standing, key_numbers, sentences, standing
from torc_watch.render.report_page.values import report_values

_VOID = {"meta", "br", "path", "use"}
_NASTY = "<script>alert(1)</script>\"'&\x1b[31m\x00\u202e$\\frac{{a$ {number} ]]>-->"
SMALL = Sample(jobs=40, nodes=2, runs=3, left=2)
WORKED = sample_report(replace(SMALL, left=0))
FAILED = sample_report(SMALL)
RUNNING = sample_report(replace(SMALL, left=0, running=10))
PLAN = Plan(
    workflow_id=42,
    run_id=3,
    number=1,
    retries=(Retry(job_id=1, job_name="a", cause=Cause.OOM, reason="", memory=(GIB, 2 * GIB)),),
    uninitialized=0,
    left_alone=(),
    adjustments=(),
    scheduler_config_id=None,
    allocations=(),
)


class Page(HTMLParser):
    """The elements and texts of a page, whose tags must be in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def with_answer(report: WorkflowReport, answer: Any, **changes: Any) -> WorkflowReport:
    assert report.known is not None
    return replace(report, known=replace(report.known, answer=answer, **changes))


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(SMALL, id="ordinary"),
        pytest.param(Sample(jobs=0), id="no-jobs"),
        pytest.param(Sample(jobs=1, runs=1, failed_of=2, left=1), id="one-job"),
        pytest.param(replace(SMALL, running=10), id="running"),
        pytest.param(
            replace(SMALL, name=_NASTY, job_name=_NASTY, node=_NASTY, line=_NASTY), id="nasty"
        ),
        pytest.param(
            Sample(jobs=3000, nodes=40, kinds=25, left=300, name="x" * 5000, of_slurm=False),
            id="many",
        ),
    ],
)
def test_page_is_whole_and_needs_nothing_else(sample: Sample) -> None:
    html = report_page(sample_report(sample))
    page = Page(html)
    assert is_report(html[:1000])
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", html)
    assert "#0101" not in html, "a color that is no variable"
    names = {name for name, _ in page.tags}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object", "image", "foreignobject"})
    links = [value for _, given in page.tags for key, value in given.items() if "href" in key]
    assert all(link and link.startswith("#") for link in links)
    assert not re.search(r"url\((?!#)", html)
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids))
    used = re.findall(r"url\(#([^)]+)\)", html) + [str(link)[1:] for link in links]
    assert set(used) <= set(ids)
    assert len(html.encode()) < 600_000


def test_names_are_shown_as_they_are() -> None:
    page = Page(report_page(sample_report(replace(SMALL, job_name=_NASTY, line="a <b> & 'c'"))))
    assert "a <b> & 'c'" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert r"\x1b[31m\x00\u202e$\frac{a$" in page.text


def test_names_in_pictures_are_no_formulas_and_no_colors() -> None:
    sample = replace(SMALL, node="n$x^2${number}", job_name="$y_1$#010103 job")
    pictures = re.findall("<svg.*?</svg>", report_page(sample_report(sample)), re.DOTALL)
    assert ">n$x^2$1</text>" in pictures[0]
    assert ">$y_1$#010103 job (" in pictures[1]


def test_pictures_have_words_and_a_table_with_the_same() -> None:
    page = Page(report_page(FAILED))
    pictures = [given for tag, given in page.tags if tag == "svg"]
    assert [each["role"] for each in pictures] == ["img"] * 3
    ids = {given["id"] for _, given in page.tags if "id" in given}
    for each in pictures:
        assert {each["aria-labelledby"], each["aria-describedby"]} <= ids
    for text in ("node001", "round 1", "simulate_b (8)", "Memory used, in percent of the request"):
        assert text in page.texts, "text stays text"
    assert sum(tag == "caption" for tag, _ in page.tags) == 5


def test_headings_are_in_order() -> None:
    levels = [
        int(tag[1]) for tag, _ in Page(report_page(FAILED)).tags if re.fullmatch("h[1-6]", tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_without_the_plotting_library_there_are_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "torc_watch.render.report_page.drawings"
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr(package, "drawings", raising=False)
    page = Page(report_page(FAILED))
    assert not any(tag == "svg" for tag, _ in page.tags)
    assert sum(tag == "table" for tag, _ in page.tags) == 5
    assert "pip install 'torc-watch[report]'" in page.text


def test_the_users_own_style_changes_nothing() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    before = report_page(FAILED)
    with matplotlib.rc_context({"text.usetex": True, "font.size": 40, "axes.facecolor": "red"}):
        assert report_page(FAILED) == before
        assert matplotlib.rcParams["font.size"] == 40


@pytest.mark.parametrize(
    ("report", "expected", "sentence"),
    [
        (WORKED, Standing.COMPLETED, "All 40 jobs completed."),
        (FAILED, Standing.FAILED, "39 of 40 jobs completed; 1 failed."),
        (RUNNING, Standing.RUNNING, "30 of 40 jobs completed; 10 running."),
        (sample_report(Sample(jobs=0)), Standing.STOPPED, "The workflow has no jobs."),
        (
            sample_report(Sample(jobs=1, runs=1, failed_of=2)),
            Standing.COMPLETED,
            "The only job completed.",
        ),
        (
            with_answer(
                FAILED,
                WorkflowState.STALLED,
                counts=JobCounts({JobStatus.UNINITIALIZED: 7}),
                failures=(),
            ),
            Standing.STOPPED,
            "The workflow with its 7 jobs has not been started.",
        ),
        (
            replace(FAILED, known=None, troubles=("It is gone.",)),
            Standing.UNKNOWN,
            "It is gone.",
        ),
    ],
)
def test_summary_says_what_is_now(
    report: WorkflowReport, expected: Standing, sentence: str
) -> None:
    assert standing(report) is expected
    assert next(sentences(report)) == sentence


def test_summary_says_what_was_done_and_what_it_cost() -> None:
    text = " ".join(sentences(FAILED))
    assert "torc-watchd ran 3 jobs again in 2 rounds of recovery: " in text
    assert "(memory 2g–4g → 3g–6g)" in text  # noqa: RUF001 - an en dash is meant
    assert re.search(r"It used \d\.\d node hours in Slurm: \d+% on attempts that succeeded", text)
    gone = " ".join(sentences(replace(FAILED, known=None, troubles=("It is gone.",))))
    assert gone.endswith("Its last watch ended: handed over: Some jobs fail whatever is changed.")
    numbers = {each.name: (each.value, each.note) for each in key_numbers(FAILED)}
    assert numbers["Rounds of recovery"] == ("2", "3 jobs run again")
    assert numbers["Jobs failed"] == ("1", "1 reason")


OPEN = tuple(replace(watch, ended=None, verdict=None) for watch in FAILED.watches)
LATER = Postponement(
    not_before=BEGAN,
    until=BEGAN + timedelta(hours=1),
    awaits_room=False,
    waits=(Wait(cause=Cause.NETWORK, jobs=1, not_before=BEGAN),),
    retries=PLAN.retries,
    left_alone=(),
)


@pytest.mark.parametrize(
    ("report", "says", "command"),
    [
        (WORKED, "Nothing has to be done: every job completed.", ""),
        (FAILED, "All of the failed jobs were tried three times.", "torc-watchd recover 42"),
        (RUNNING, "Its workers run, or wait to start. torc-watchd watches it.", "status 42"),
        (
            with_answer(FAILED, PLAN),
            "One round of recovery is possible. It would:",
            "torc-watchd recover 42",
        ),
        (
            replace(with_answer(FAILED, PLAN, of_watch=True), watches=OPEN),
            "torc-watchd continues by itself. The next round of its watch would:",
            "torc-watchd why 42",
        ),
        (
            replace(with_answer(FAILED, LATER, of_watch=True), watches=OPEN),
            "torc-watchd continues by itself.",
            "torc-watchd resume 42",
        ),
        (
            with_answer(FAILED, WorkflowState.STALLED),
            "The remaining jobs have no workers.",
            "torc-watchd recover 42",
        ),
        (with_answer(FAILED, WorkflowState.CANCELED), "Workflow 42 was canceled", "why 42"),
        (FAILED, "All of the failed jobs", "torc-watchd jobs logs 1"),
        (sample_report(Sample(jobs=0)), "There is nothing to run", ""),
        (replace(FAILED, known=None), "The workflow is not on its server any more", "workflows"),
        (
            replace(FAILED, known=None, is_unreachable=True),
            "The server did not answer.",
            "torc-watchd report 42",
        ),
    ],
)
def test_advice(report: WorkflowReport, says: str, command: str) -> None:
    given = advice(report)
    assert given.says.startswith(says)
    assert command in " ".join(step.command for step in given.steps)


def test_a_plan_is_shown_and_a_round_that_comes_by_itself_is_not_asked_for() -> None:
    watched = advice(replace(with_answer(FAILED, PLAN, of_watch=True), watches=OPEN))
    assert watched.details[0].startswith("Job 1 (a): OOM detected, increasing memory 1g -> 2g")
    assert watched.details[-1] == "Start run 4 with 1 job"
    assert "recover" not in " ".join(step.command for step in watched.steps)


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([(GIB, 2 * GIB)], "memory 1g → 2g"),
        ([(GIB, 2 * GIB), (4 * GIB, 6 * GIB)], "memory 1g–4g → 2g–6g"),  # noqa: RUF001
        ([], ""),
    ],
)
def test_raises_are_shown_from_the_least_to_the_most(
    pairs: list[tuple[int, int]], text: str
) -> None:
    retries = [
        Retry(job_id=1, job_name="", cause=Cause.OOM, reason="", memory=pair) for pair in pairs
    ]
    assert raises(retries) == text


@pytest.mark.parametrize(
    "report",
    [
        WORKED,
        FAILED,
        RUNNING,
        with_answer(FAILED, PLAN),
        with_answer(FAILED, Refusal(kind=RefusalKind.EXHAUSTED, reason="")),
        with_answer(FAILED, LATER),
        replace(FAILED, known=None, troubles=("It is gone.",)),
        sample_report(Sample(jobs=0)),
    ],
)
def test_values_are_as_described(report: WorkflowReport) -> None:
    values = json.loads(json.dumps({"version": 1, **report_values(report)}))
    assert_documented("report", values)
