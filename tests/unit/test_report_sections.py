"""The sections of a report: what each says, and what it leaves out of much."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rigs.workflow_reports import Sample, sample_report
from torc_watch.core.assessment import WorkflowState
from torc_watch.core.cause import Cause
from torc_watch.core.explanation import FailureGroup
from torc_watch.core.fact import Fact, Source
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.past_watch import PastRound
from torc_watch.core.recovery_round import Plan, Refusal, RefusalKind, Retry, Skip
from torc_watch.core.report import WorkflowOnServer, WorkflowReport
from torc_watch.core.suspect_success import Suspicion, SuspicionKind
from torc_watch.core.units import GIB
from torc_watch.render.report_page.advice import advice
from torc_watch.render.report_page.failure_section import failure_section
from torc_watch.render.report_page.history_section import history_section
from torc_watch.render.report_page.markup import Markup, Table, element, table
from torc_watch.render.report_page.page import report_page
from torc_watch.render.report_page.place_section import hours_section, timeline_section
from torc_watch.render.report_page.repairs import raises
from torc_watch.render.report_page.round_section import round_section
from torc_watch.render.report_page.summary import key_numbers, sentences
from torc_watch.render.report_page.use_section import use_section
from torc_watch.render.report_page.words import duration, hours, percent, zone

FAILED = sample_report(Sample(jobs=40, nodes=2, runs=3, left=2))
WORKED = sample_report(Sample(jobs=40, nodes=2, runs=3))
RUNNING = sample_report(Sample(jobs=40, nodes=2, runs=3, running=10))


def known_of(report: WorkflowReport) -> WorkflowOnServer:
    assert report.known is not None
    return report.known


def changed(report: WorkflowReport, **changes: Any) -> WorkflowReport:
    return replace(report, known=replace(known_of(report), **changes))


def html(section: Iterable[Markup]) -> str:
    return " ".join(each.text for each in section)


def retry(job_id: int, cause: Cause = Cause.OOM) -> Retry:
    """Each requests another amount, so that each has a line of its own."""
    memory = (GIB, (job_id + 2) * GIB) if cause is Cause.OOM else None
    return Retry(job_id=job_id, job_name="a", cause=cause, reason="killed", memory=memory)


def plan_of(*retries: Retry) -> Plan:
    return Plan(
        workflow_id=42,
        run_id=1,
        number=1,
        retries=retries,
        uninitialized=0,
        left_alone=(),
        adjustments=(),
        scheduler_config_id=None,
        allocations=(),
    )


def round_of(*retries: Retry, **changes: Any) -> PastRound:
    began = PastRound(
        number=1,
        run_id=1,
        began="2026-11-28T08:00:00+00:00",
        ended="2026-11-28T08:01:00+00:00",
        outcome="resubmitted",
        last_step=None,
        plan=plan_of(*retries),
    )
    return replace(began, **changes)


def with_rounds(*rounds: PastRound) -> WorkflowReport:
    (watch,) = FAILED.watches
    return replace(FAILED, watches=(replace(watch, rounds=rounds),))


def test_history_has_the_last_entries_with_their_details() -> None:
    text = html(history_section(with_rounds(round_of(*map(retry, range(30))))))
    assert text.count("<li><span") == 3, "the begin, a round, the end"
    assert text.count("<li>Job ") == 20
    assert "<li>and 13 more lines</li>" in text
    many = html(history_section(with_rounds(*[round_of()] * 120)))
    assert many.count("<li><span") == 100
    assert "22 earlier entries: torc-watchd history 42" in many


def test_nodes_and_allocations_of_many_are_counted() -> None:
    known = known_of(FAILED)
    lane = known.timeline.lanes[0]
    worker = lane.workers[0]
    lanes = [
        replace(lane, workers=tuple(replace(worker, allocation=each) for each in range(8))),
        replace(lane, workers=(replace(worker, is_alive=True),)),
        *[lane] * 63,
    ]
    timeline = replace(known.timeline, lanes=tuple(lanes), undated=2)
    text = html(timeline_section(replace(known, timeline=timeline)))
    assert "<td>0, 1, 2, 3, 4, 5 and 2 more</td>" in text
    assert text.count("still there") == 1
    assert "and 5 more nodes" in text
    assert "2 attempts without a time on the server" in text


def test_hours_outside_of_slurm_are_not_charged() -> None:
    known, said = known_of(FAILED), "no account was charged"
    assert said not in html(hours_section(known))
    split = replace(known.node_hours, of_slurm=False)
    assert said in html(hours_section(replace(known, node_hours=split)))


def test_failures_say_what_comes_next_and_are_cut() -> None:
    (finding, *_) = known_of(FAILED).failures[0].findings
    facts = [Fact(source=Source.EXIT_CODE, text=f"fact {number}") for number in range(10)]
    reason = Fact(source=Source.OUTPUT, text=finding.reason)
    group = FailureGroup(
        findings=(replace(finding, facts=(reason, *facts)),),
        fates={
            1: retry(1),
            2: Skip(job_id=2, job_name="", cause=Cause.OOM, reason="", restarts_anyway=False),
        },
        tried=2,
    )
    text = html(failure_section(changed(FAILED, failures=(group,) * 31)))
    assert text.count("<article>") == 30
    assert "and 1 more reason, of 1 job" in text
    one = text.partition("</article>")[0]
    assert one.count("exit code: fact") == 8
    assert one.lower().count(finding.reason) == 1, "no fact repeats it"
    assert f"<code>{finding.clue.line if finding.clue else ''}</code>" in one
    assert (
        "1 job would run again in the next round with more memory 1g → 3g; 1 job would not run "
        "again; run again before: 2 times."
    ) in one


def test_suspects_are_listed_below_failures() -> None:
    job = known_of(FAILED).failures[0].findings[0].job
    suspect = Suspicion(job=job, kind=SuspicionKind.OOM_KILL, reason="ran out of memory")
    text = html(failure_section(changed(FAILED, suspects=(suspect,) * 21)))
    assert "Completed, but suspect: 21 jobs" in text
    assert text.count(": ran out of memory</li>") == 20
    assert "<li>and 1 more</li>" in text


def test_rounds_by_cause_with_the_most_jobs_first() -> None:
    unwell = [retry(each, Cause.NETWORK) for each in (7, 8)]
    text = html(round_section(with_rounds(round_of(retry(1), *unwell), round_of())))
    assert text.index("<td>network") < text.index("<td>out of memory")
    assert "One round only submitted allocations." in text
    assert "torc-watchd ran no job again." in html(round_section(with_rounds()))
    assert "has not watched this workflow" in html(round_section(replace(FAILED, watches=())))


def test_rounds_that_are_under_way_count_and_others_only_when_carried_out() -> None:
    under_way = round_of(retry(1), ended=None, outcome=None)
    refused = round_of(retry(2), outcome="refused")
    report = with_rounds(refused, under_way)
    numbers = {each.name: (each.value, each.note) for each in key_numbers(report)}
    assert numbers["Rounds of recovery"] == ("1", "1 job run again")
    assert "and 6 more causes" in html(round_section(with_rounds(*[round_of(retry(1))] * 66)))


def test_raises_of_run_time() -> None:
    late = replace(retry(1, Cause.TIMEOUT), runtime=(3600, 5400))
    assert raises([late]) == "run time 1 h → 1 h 30 min"


def test_use_has_the_largest_kinds_first_and_what_would_do() -> None:
    known = known_of(WORKED)
    kinds = [replace(kind, jobs=number) for number, kind in enumerate(known.utilization.kinds)]
    utilization = replace(known.utilization, kinds=tuple(kinds), without_request=3)
    text = html(use_section(replace(known, utilization=utilization)))
    assert text.index(kinds[-1].name) < text.index(kinds[0].name)
    assert "3 jobs without resource requirements" in text
    assert " would do</td>" in text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (percent(1, 1000), "0.1%"),
        (percent(1, 2), "50%"),
        (percent(0, 0), "0%"),
        (hours(0.0512), "0.051"),
        (hours(0), "0.0"),
        (duration(0.4), "below 1 s"),
        (duration(0), "0 s"),
        (zone(datetime(2026, 1, 1, tzinfo=UTC).astimezone(UTC)), None),
    ],
)
def test_numbers(shown: str, text: str | None) -> None:
    assert shown == text or (text is None and "UTC" in shown)


def test_many_causes_are_counted() -> None:
    causes = [*Cause][:6]
    finding = known_of(FAILED).failures[0].findings[0]
    groups = [
        FailureGroup(findings=(replace(finding, cause=cause),), fates={}, tried=0)
        for cause in causes
    ]
    text = " ".join(sentences(changed(FAILED, failures=tuple(groups[:5]))))
    assert "(1) and 1 more cause." in text
    report = with_rounds(round_of(*(retry(number, each) for number, each in enumerate(causes))))
    assert " and 2 more causes." in " ".join(sentences(report))


def test_summary_of_rounds_without_retries_and_of_disabled_jobs() -> None:
    assert "submitted allocations in 1 round of recovery" in " ".join(
        sentences(with_rounds(round_of()))
    )
    counts = JobCounts({JobStatus.COMPLETED: 3, JobStatus.DISABLED: 2})
    first = next(sentences(changed(WORKED, counts=counts)))
    assert first == "All 3 jobs completed; 2 jobs disabled."
    elapsed = {each.name: each.note for each in key_numbers(WORKED)}["Time"]
    assert elapsed.endswith("without workers")


def commands(report: WorkflowReport) -> str:
    return " ".join(step.command for step in advice(report).steps)


def test_advice_for_what_is_unusual() -> None:
    job = known_of(WORKED).failures or known_of(FAILED).failures
    suspect = Suspicion(job=job[0].findings[0].job, kind=SuspicionKind.OOM_KILL, reason="")
    suspicious = changed(WORKED, suspects=(suspect,))
    assert "success of some is suspect" in advice(suspicious).says
    assert commands(suspicious) == "torc-watchd why 42 "
    (step,) = advice(WORKED).steps
    assert step.text.startswith("Before you run it again, adapt the requests")
    alone = replace(RUNNING, watches=())
    assert "torc-watchd add 42" in commands(alone)
    assert "torc-watchd add 42" not in commands(RUNNING)
    assert "status" not in commands(changed(FAILED, answer=WorkflowState.ARCHIVED))
    left = tuple(
        Skip(job_id=each, job_name="a", cause=Cause.CODE, reason=f"{each}", restarts_anyway=False)
        for each in range(40)
    )
    refusal = Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason="No.", left_alone=left)
    details = advice(changed(FAILED, answer=refusal)).details
    assert details[-1] == "and 10 more lines, which torc-watchd plan 42 shows"
    assert len(details) == 31


def test_page_loads_nothing_and_has_contents_and_notes() -> None:
    page = report_page(changed(FAILED, notes=("Mind the gap.",)))
    assert "default-src &#x27;none&#x27;" in page
    assert '<a href="#failures">Why jobs failed</a>' in page
    assert "<li>Mind the gap.</li>" in page


def test_long_texts_are_cut() -> None:
    assert len(element("p", "x" * 9000).text) < 2100
    content = Table(caption="", head=("a",), rows=[("x" * 900,)] * 3, most=2)
    text = table(content).text
    assert text.count("x" * 150) == 2
    assert "x" * 250 not in text
    assert "and 1 more row" in text
