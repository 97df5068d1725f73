"""Which events are news, and its words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.app.news_trial import try_channels
from torc_watch.core import events
from torc_watch.core.allocation import AllocationSpec, AllocationState, AllocationStatus
from torc_watch.core.cause import Cause
from torc_watch.core.events import Event, FailedJob, Verdict, WatchEnded
from torc_watch.core.news import (
    NewsFact,
    NewsItem,
    NewsKind,
    NewsMessage,
    NewsSubject,
    RecoveryCost,
    SendResult,
    cost_of,
    fact_of,
)
from torc_watch.core.plan_price import PlanPrice
from torc_watch.core.recovery_round import Plan, Retry
from torc_watch.core.waiting_plan import WaitingPlan
from torc_watch.daemon.lease import this_holder
from torc_watch.render.news_text import (
    NewsContext,
    message_of,
    message_values,
    news_text,
    takeover_text,
)

SERVER = "http://torc/torc-service/v1"
ABOUT = NewsSubject(
    server=SERVER,
    workflow_id=42,
    name="train",
    rounds=2,
    max_retries=3,
    counts={"completed": 95, "failed": 5},
)
NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)
SPEC = AllocationSpec(num_cpus=1, memory=1, num_nodes=2, runtime=3600, token="t")  # noqa: S106
PLAN = Plan(
    workflow_id=42,
    run_id=1,
    number=2,
    retries=(Retry(job_id=1, job_name="a", cause=Cause.OOM, reason=""),),
    uninitialized=0,
    left_alone=(),
    adjustments=(),
    scheduler_type="slurm",
    scheduler_config_id=None,
    allocations=(SPEC, SPEC),
)
ALLOCATIONS = "4 allocations of recovery, at most 8.0 node hours"
NEVER = AllocationStatus(state=AllocationState.ALIVE, detail="held by\x1b[2J an administrator")


def ended(verdict: Verdict) -> WatchEnded:
    return WatchEnded(workflow_id=42, verdict=verdict, reason="Nothing\x1b[2J helps.")


def unstartable(number: int) -> Event:
    return events.AllocationUnstartable(
        workflow_id=42, scheduler="slurm", scheduler_id=number, status=NEVER
    )


def waiting(*numbers: int, detail: str = "the partition is down") -> Event:
    return events.AllocationsWaiting(workflow_id=42, scheduler_ids=numbers, detail=detail)


def planned(*, uses_retry: bool = True) -> Event:
    return events.RecoveryPlanned(workflow_id=42, plan=replace(PLAN, uses_retry=uses_retry))


def proposed(plan_id: str = "7f3a2c1b") -> Event:
    price = PlanPrice(jobs=12, allocations=2, node_hours=40, memory_factor=1.5)
    why = "more than 10 node hours\x1b[2J"
    waits = WaitingPlan(
        plan_id=plan_id,
        jobs=12,
        node_hours=40,
        allocations=2,
        starts_at=None,
        reason=why,
        proposed_at="",
    )
    return events.PlanProposed(
        workflow_id=42,
        plan=PLAN,
        plan_id=plan_id,
        price=price,
        reason=why,
        waiting=waits,
        rounds_used=0,
    )


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (ended(Verdict.SUCCEEDED), NewsKind.SUCCESS),
        (ended(Verdict.FAILED), NewsKind.HANDED_OVER),
        (ended(Verdict.HANDED_OVER), NewsKind.HANDED_OVER),
        (ended(Verdict.EXHAUSTED), NewsKind.HANDED_OVER),
        (ended(Verdict.CRASHED), NewsKind.HANDED_OVER),
        (ended(Verdict.STUCK), NewsKind.STALLED),
        (ended(Verdict.UNREACHABLE), None),
        (ended(Verdict.RESUBMITTED), None),
        (unstartable(7), NewsKind.STALLED),
        (waiting(7), NewsKind.STALLED),
        (planned(), NewsKind.RETRIES),
        (planned(uses_retry=False), None),
        (proposed(), NewsKind.APPROVAL),
        (events.Polled(workflow_id=42, next_in=60), None),
        (events.WorkflowComplete(workflow_id=42), None),
        (events.PollFailed(workflow_id=42, reason="", retry_in=1), None),
    ],
)
def test_kind_of_news(event: Event, kind: NewsKind | None) -> None:
    fact = fact_of(event, ABOUT)
    assert (fact and fact.kind) == kind


@pytest.mark.parametrize(
    ("rounds", "allowed", "is_news"),
    [(1, 3, False), (2, 3, True), (3, 3, True), (1, 2, True), (1, 1, False), (9, None, False)],
)
def test_half_of_the_retries(rounds: int, allowed: int | None, is_news: bool) -> None:
    about = replace(ABOUT, rounds=rounds, max_retries=allowed)
    assert bool(fact_of(planned(), about)) == is_news


def test_the_same_fact_is_the_same_however_it_is_reported() -> None:
    assert fact_of(waiting(7), ABOUT) == fact_of(waiting(7, 8), ABOUT)
    assert fact_of(waiting(7), ABOUT) != fact_of(waiting(7, detail="a license"), ABOUT)
    assert fact_of(unstartable(7), ABOUT) != fact_of(unstartable(8), ABOUT)
    assert fact_of(proposed(), ABOUT) != fact_of(proposed("1b2c3a7f"), ABOUT)
    assert fact_of(planned(), ABOUT) == fact_of(planned(), replace(ABOUT, rounds=3))


def test_text_says_what_happened_why_what_it_cost_and_what_comes_next() -> None:
    job = FailedJob(
        job_id=7, job_name="a\nb", reason="out of memory", errors="/o/7.e", last_words="killed"
    )
    event = replace(ended(Verdict.EXHAUSTED), evidence=(job,))
    subject, body = news_text(
        event,
        NewsContext(
            about=ABOUT, url=SERVER, cost=cost_of([PLAN, PLAN]), elapsed=timedelta(hours=3)
        ),
    )

    assert subject == "Workflow 42 (train) needs you: all retries are used"
    assert body.splitlines() == [
        f"{subject}.",
        f"Server: {SERVER}",
        "Why: Nothing\\x1b[2J helps.",
        "Jobs: completed=95, failed=5",
        "Failed jobs:",
        "  Job 7 (a\\nb): out of memory",
        "    /o/7.e: killed",
        f"Cost: 2 of 3 retries; {ALLOCATIONS}; 3 h since the watch began",
        "",
        "What to do next:",
        f"  torc-watchd why 42 --url {SERVER}      # why jobs failed, with the evidence",
        f"  torc-watchd plan 42 --url {SERVER}     # what one more round of recovery would do",
        f"  torc-watchd recover 42 --url {SERVER}  # carries out that round",
        f"  torc-watchd resume 42 --url {SERVER}   # watches on, with all retries",
    ]


@pytest.mark.parametrize(
    ("event", "subject", "line"),
    [
        (ended(Verdict.SUCCEEDED), "succeeded", "Jobs: completed=95, failed=5"),
        (ended(Verdict.STUCK), "is stuck", "Why: Nothing\\x1b[2J helps."),
        (
            unstartable(7),
            "has an allocation that will never start",
            "Why: allocation 7 will never start: held by\\x1b[2J an administrator",
        ),
        (
            waiting(*range(9)),
            "waits in the queue for more than its turn",
            "Why: allocations 0, 1, 2, 3, 4 and 4 more: the partition is down",
        ),
        (
            planned(),
            "has used 2 of 3 retries",
            "This round runs 1 job again; it goes on by itself.",
        ),
        (
            proposed(),
            "has a plan that waits for your approval",
            "Why: more than 10 node hours\\x1b[2J",
        ),
        (
            proposed(),
            "has a plan that waits for your approval",
            "  torc-watchd approve 42 --plan 7f3a2c1b",
        ),
    ],
)
def test_words_of_news(event: Event, subject: str, line: str) -> None:
    shown, body = news_text(event, NewsContext(about=ABOUT))
    assert shown == f"Workflow 42 (train) {subject}"
    assert line in body.splitlines()
    assert body.replace("\n", "").isprintable()


def test_proposal_says_its_price() -> None:
    _, body = news_text(proposed(), NewsContext(about=ABOUT))
    price = "12 jobs, at most 40.0 node hours in 2 allocations, memory up to x 1.5"
    assert f"Price of plan 7f3a2c1b: {price}" in body.splitlines()


def test_a_thousand_kinds_of_failure_are_bounded() -> None:
    jobs = tuple(FailedJob(job_id=n, job_name="a", reason=f"reason {n}") for n in range(1000))
    event = replace(ended(Verdict.HANDED_OVER), evidence=jobs)
    _, body = news_text(event, NewsContext(about=ABOUT))
    assert "  ... and 990 other kinds of failure" in body.splitlines()
    assert len(body) < 2000


def test_cost_on_this_machine_has_no_node_hours() -> None:
    local = replace(PLAN, scheduler_type="local", allocations=(replace(SPEC, runtime=None),))
    assert cost_of([local]) == RecoveryCost(allocations=1)
    _, body = news_text(ended(Verdict.FAILED), NewsContext(about=ABOUT, cost=cost_of([local])))
    assert "Cost: 2 of 3 retries; 1 allocation of recovery on this machine" in body


def test_cost_of_an_allocation_without_a_limit_is_finite() -> None:
    endless = replace(PLAN, allocations=(replace(SPEC, runtime=None),))
    context = NewsContext(about=ABOUT, cost=cost_of([endless, PLAN]))
    _, body = news_text(ended(Verdict.FAILED), context)
    hours = (365 * 24 + 2) * SPEC.num_nodes  # Slurm is asked for a year
    assert f"3 allocations of recovery, at most {hours} node hours" in body


def test_takeover_names_both_login_nodes() -> None:
    me = replace(this_holder(180), host="login01")
    subject, body = takeover_text(replace(me, host="login02", pid=7), me)
    assert subject == "The daemon on login01 took over from login02"
    assert "(process 7) sent no heartbeat for 180 s" in body


def item(number: int, kind: NewsKind = NewsKind.SUCCESS) -> NewsItem:
    return NewsItem(
        server=SERVER,
        workflow_id=number,
        fact=NewsFact(kind, ""),
        at=NOW,
        subject=f"Workflow {number} succeeded",
        body=f"Body of {number}",
    )


def test_message_of_one() -> None:
    message = message_of([item(1)], may_be_repeated=False)
    assert message.subject == "torc-watchd: Workflow 1 succeeded"
    assert message.body == "Body of 1\n"


def test_digest_of_a_few_has_all_of_them() -> None:
    message = message_of([item(1), item(2, NewsKind.HANDED_OVER)], may_be_repeated=False)
    assert message.subject == "torc-watchd: 2 news, 1 for you to act on"
    assert "Body of 1" in message.body
    assert "Body of 2" in message.body


def test_digest_of_a_thousand_is_bounded() -> None:
    message = message_of([item(number) for number in range(1000)], may_be_repeated=False)
    assert message.subject == "torc-watchd: 1000 news"
    assert "... and 950 more: torc-watchd notify list" in message.body
    assert len(message.body) < 5000


def test_repetition_says_so() -> None:
    message = message_of([item(1)], may_be_repeated=True)
    assert message.body.startswith("You may have had this before")
    assert message_values(message)["may_be_repeated"]


def test_json_for_a_program() -> None:
    news = message_values(message_of([item(1)], may_be_repeated=False))["news"]
    assert news == [
        {
            "kind": "success",
            "at": "2026-11-30T07:00:00+00:00",
            "server": SERVER,
            "workflow_id": 1,
            "subject": "Workflow 1 succeeded",
            "body": "Body of 1",
        }
    ]


async def test_trial_is_news_of_no_kind_on_which_a_program_acts() -> None:
    sent: list[NewsMessage] = []

    class Program:
        name = "notify_command"

        async def send(self, message: NewsMessage) -> SendResult:
            sent.append(message)
            return SendResult()

    (tried,) = await try_channels([Program()])
    assert tried.problem == ""
    (test,) = message_values(sent[0])["news"]
    assert (test["kind"], test["server"], test["workflow_id"]) == ("test", None, None)
