"""Statuses that all watches share: how often the scheduler is queried, and what callers get."""

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    EndCause,
    NodeClass,
    StepEnd,
)
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.units import GIB
from torc_watch.schedulers.base import EndedAttempts, WorkerAssignment
from torc_watch.schedulers.cluster import StatusCache
from torc_watch.torc.transport import Connection

pytestmark = pytest.mark.looptime

ALIVE, GONE, UNKNOWN = (AllocationStatus(state=state) for state in AllocationState)
SPEC = AllocationSpec(token="t", num_cpus=1, memory=GIB)  # noqa: S106 - no password
WORK = WorkerAssignment(
    connection=Connection(url="http://127.0.0.1:1"),
    workflow_id=1,
    scheduler_config_id=1,
    output_dir=Path(),
)


@dataclass
class SlowScheduler:
    """Answers with the state at the start of a query; the queries in ``failures`` fail."""

    seconds: float = 1.0
    known: dict[int, AllocationStatus] = field(default_factory=dict)
    ends_at: dict[int, float] = field(default_factory=dict)
    failures: set[int] = field(default_factory=set)
    queries: list[tuple[float, set[int]]] = field(default_factory=list)
    at_once: int = 0
    type: str = "slurm"

    async def node_classes(self) -> tuple[NodeClass, ...]:
        return (NodeClass(num_cpus=1, memory=GIB),)

    async def cluster_name(self) -> str:
        return "ridge"

    async def kill_wait(self) -> None:
        pass

    async def expected_start(self, _spec: AllocationSpec) -> None:
        pass

    async def find(self, _tokens: Collection[str]) -> dict[str, int]:
        return {}

    async def release(self, _numbers: Sequence[int]) -> None:
        pass

    async def submit(self, _spec: AllocationSpec, _work: WorkerAssignment) -> int:
        self.known[1] = ALIVE
        return 1

    async def steps(self, _numbers: Collection[int]) -> dict[int, dict[str, StepEnd]]:
        return {}

    async def cancel(self, number: int) -> None:
        self.known[number] = GONE

    async def end_remnants(self, _number: int, _attempts: EndedAttempts) -> int:
        return 0

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        assert not self.at_once, "one query at a time"
        self.at_once += 1
        self.queries.append((anyio.current_time(), set(numbers)))
        place = len(self.queries)
        answer = {number: self._status(number) for number in numbers}
        try:
            await anyio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        if place in self.failures:
            raise SchedulerUnreachable(f"query {place} failed")
        return answer

    def _status(self, number: int) -> AllocationStatus:
        if anyio.current_time() >= self.ends_at.get(number, float("inf")):
            return GONE
        return self.known.get(number, ALIVE)


@pytest.fixture
def scheduler() -> SlowScheduler:
    return SlowScheduler()


@pytest.fixture
def cache(scheduler: SlowScheduler) -> StatusCache:
    return StatusCache(scheduler)


async def query_into(
    cache: StatusCache, answers: list[AllocationStatus | str], number: int, max_age: float
) -> None:
    try:
        answers.append((await cache.statuses([number], max_age=max_age))[number])
    except SchedulerUnreachable as error:
        answers.append(str(error))


@pytest.mark.parametrize("spread", [0.0, 0.1])
async def test_all_watches_share_one_query_in_a_cycle(
    cache: StatusCache, scheduler: SlowScheduler, spread: float
) -> None:
    """In the first cycle the cache learns which allocations exist."""

    async def watch(number: int) -> None:
        await anyio.sleep(spread * number)
        for _ in range(10):
            assert await cache.statuses([number], max_age=30) == {number: ALIVE}
            await anyio.sleep(60)

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(watch, number)

    later = [numbers for when, numbers in scheduler.queries if when >= 60]
    assert len(later) == 9
    assert all(numbers == set(range(100)) for numbers in later)


async def test_watches_that_poll_all_the_time_cause_a_query_per_age(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    """They begin one after the other, and then poll when few others do, as the throttle says."""
    choice = random.Random(1)  # noqa: S311

    async def watch(number: int) -> None:
        await anyio.sleep(number / 10)
        wait = choice.uniform(6, 60)
        for _ in range(10):
            await cache.statuses([number], max_age=30)
            await anyio.sleep(wait)
            wait = choice.uniform(54, 60)

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(watch, number)

    later = [when for when, _ in scheduler.queries if 60 <= when < 420]
    assert len(later) <= 360 / 30


async def test_watches_that_start_together_cause_at_most_two_queries(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    answers: list[AllocationStatus | str] = []
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(query_into, cache, answers, number, 30)
    assert answers == [ALIVE] * 100
    assert len(scheduler.queries) <= 2


async def test_query_for_a_new_allocation_does_not_repeat_recent_ones(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    for number in range(3):
        await cache.statuses([number], max_age=30)
    assert [numbers for _, numbers in scheduler.queries] == [{0}, {1}, {2}]
    await anyio.sleep(60)
    await cache.statuses([1], max_age=30)
    assert scheduler.queries[-1][1] == {0, 1, 2}


async def test_answer_older_than_max_age_is_not_returned(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    for pause, max_age in ((0, 0), (10, 11.5), (0, 5)):
        await anyio.sleep(pause)
        await cache.statuses([7], max_age=max_age)
    assert [when for when, _ in scheduler.queries] == [0, 11]


async def test_max_age_0_needs_a_query_that_starts_after_the_call(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    answers: list[AllocationStatus | str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(query_into, cache, answers, 7, 0)
        await anyio.sleep(0.5)
        scheduler.known[7] = GONE
        for _ in range(3):
            tasks.start_soon(query_into, cache, answers, 7, 0)
    assert answers == [ALIVE, GONE, GONE, GONE]
    assert [when for when, _ in scheduler.queries] == [0, 1]


async def test_error_reaches_every_waiting_caller_and_is_not_cached(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    answers: list[AllocationStatus | str] = []
    scheduler.failures = {1}
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(query_into, cache, answers, 7, 30)
    assert answers == ["query 1 failed"] * 5
    assert await cache.statuses([7], max_age=30) == {7: ALIVE}
    assert len(scheduler.queries) == 2


async def test_no_older_answer_is_returned_after_an_error(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    scheduler.failures = {2}
    await cache.statuses([7], max_age=0)
    await anyio.sleep(1)
    with pytest.raises(SchedulerUnreachable):
        await cache.statuses([7], max_age=0)
    await cache.statuses([7], max_age=3600)
    assert len(scheduler.queries) == 3


async def test_minimum_interval_raises_every_age_but_0(scheduler: SlowScheduler) -> None:
    cache = StatusCache(scheduler, min_interval=30)
    for pause, max_age in ((0, 5), (28, 5), (0, 0), (28.5, 1), (1.5, 1), (31, 60)):
        await anyio.sleep(pause)
        await cache.statuses([7], max_age=max_age)
    assert [when for when, _ in scheduler.queries] == [0, 29, 60]


async def test_allocation_that_was_never_asked_for_does_not_wait_for_the_interval(
    scheduler: SlowScheduler,
) -> None:
    cache = StatusCache(scheduler, min_interval=30)
    for number in (7, 8, 7):
        await cache.statuses([number], max_age=5)
    assert [numbers for _, numbers in scheduler.queries] == [{7}, {8}]


async def test_error_is_repeated_for_the_minimum_interval_to_all_but_who_must_know(
    scheduler: SlowScheduler,
) -> None:
    cache = StatusCache(scheduler, min_interval=30)
    scheduler.failures = {1, 2}
    answers: list[AllocationStatus | str] = []
    for pause, max_age in ((0, 5), (10, 60), (0, 0), (25, 5), (5, 5), (0, 5)):
        await anyio.sleep(pause)
        await query_into(cache, answers, 7, max_age)
    assert [when for when, _ in scheduler.queries] == [0, 11, 42]
    assert answers == [*["query 1 failed"] * 2, *["query 2 failed"] * 2, ALIVE, ALIVE]


async def test_answer_ends_the_interval_after_an_error(scheduler: SlowScheduler) -> None:
    cache = StatusCache(scheduler, min_interval=30)
    scheduler.failures = {1}
    answers: list[AllocationStatus | str] = []
    for number, max_age in ((7, 5), (7, 0), (8, 5)):
        await query_into(cache, answers, number, max_age)
    assert answers == ["query 1 failed", ALIVE, ALIVE]


async def test_canceled_caller_does_not_cancel_the_others(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    answers: list[AllocationStatus | str] = []
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0.5):
            tasks.start_soon(query_later, cache, answers)
            await cache.statuses([7], max_age=30)
    assert answers == [ALIVE]
    assert [when for when, _ in scheduler.queries] == [0, 0.5]


async def query_later(cache: StatusCache, answers: list[AllocationStatus | str]) -> None:
    await anyio.sleep(0.2)
    await query_into(cache, answers, 8, 30)


async def test_error_of_an_earlier_query_is_not_raised_when_a_later_one_is_canceled(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    scheduler.failures = {1}
    answers: list[AllocationStatus | str] = []
    await query_into(cache, answers, 7, 30)
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0.5):
            tasks.start_soon(query_later, cache, answers)
            await cache.statuses([7], max_age=30)
    assert answers == ["query 1 failed", ALIVE]


async def test_ended_allocation_is_not_queried_again(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    ended = AllocationStatus(state=AllocationState.GONE, cause=EndCause.CANCELED, canceled_by="ada")
    scheduler.known[1] = ended
    await cache.statuses([1], max_age=0)
    scheduler.failures = {2}
    assert await cache.statuses([1], max_age=0) == {1: ended}
    with pytest.raises(SchedulerUnreachable):
        await cache.statuses([1, 2], max_age=0)
    assert await cache.statuses([1, 2], max_age=0) == {1: ended, 2: ALIVE}
    assert [numbers for _, numbers in scheduler.queries] == [{1}, {2}, {2}]


async def test_allocation_without_callers_is_forgotten_after_an_hour(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    scheduler.known[1] = GONE
    await cache.statuses([1, 2], max_age=0)
    await anyio.sleep(3600)
    await cache.statuses([3], max_age=0)
    assert cache._ended == {}
    assert scheduler.queries[-1][1] == {3}
    await cache.statuses([1], max_age=0)
    assert scheduler.queries[-1][1] == {1, 3}


async def test_resubmitted_number_is_queried_again(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    """The number of a local worker is used again if the worker ended before it did anything."""
    scheduler.known[1] = GONE
    await cache.statuses([1], max_age=0)
    assert await cache.submit(SPEC, WORK) == 1
    assert await cache.statuses([1], max_age=3600) == {1: ALIVE}


async def test_query_that_started_before_a_submission_is_repeated(
    cache: StatusCache, scheduler: SlowScheduler
) -> None:
    scheduler.known[1] = GONE
    answers: list[AllocationStatus | str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(query_into, cache, answers, 1, 30)
        await anyio.sleep(0.5)
        await cache.submit(SPEC, WORK)
    assert answers == [ALIVE]
    assert len(scheduler.queries) == 2


async def test_canceled_allocation_is_queried_again(cache: StatusCache) -> None:
    await cache.statuses([5], max_age=0)
    await cache.cancel(5)
    assert await cache.statuses([5], max_age=3600) == {5: GONE}


async def test_allocation_that_the_scheduler_omits_is_unknown(
    cache: StatusCache, scheduler: SlowScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def omit_all(_numbers: Collection[int]) -> dict[int, AllocationStatus]:
        return {}

    monkeypatch.setattr(scheduler, "statuses", omit_all)
    assert await cache.statuses([5], max_age=0) == {5: UNKNOWN}


@dataclass(frozen=True)
class Caller:
    calls_at: float
    numbers: tuple[int, ...]
    max_age: float
    timeout: float


@pytest.mark.parametrize("seed", range(100))
async def test_answers_are_valid_in_any_sequence_of_events(seed: int) -> None:
    """No answer or error is older than its caller allows, and no allocation ends too early."""
    chance = random.Random(seed)  # noqa: S311 - not for cryptography
    scheduler = SlowScheduler(
        seconds=chance.choice([0.0, 0.3, 2.0]),
        ends_at={number: chance.uniform(0, 40) for number in range(4)},
        failures={place for place in range(1, 60) if chance.random() < 0.2},
    )
    cache = StatusCache(scheduler)
    outcomes: Counter[str] = Counter()

    async def call_cache(caller: Caller) -> None:
        await anyio.sleep(caller.calls_at)
        begun_before = len(scheduler.queries)
        with anyio.move_on_after(caller.timeout) as scope:
            try:
                answer = await cache.statuses(caller.numbers, max_age=caller.max_age)
            except SchedulerUnreachable as error:
                place = int(str(error).split()[1])
                assert place >= begun_before, "the query ended while the caller waited"
                assert scheduler.queries[place - 1][0] >= caller.calls_at - caller.max_age
                outcomes["error"] += 1
                return
            for number, status in answer.items():
                if status is GONE:
                    assert scheduler.ends_at[number] <= anyio.current_time()
                else:
                    assert scheduler.ends_at[number] > caller.calls_at - caller.max_age
            outcomes["answer"] += 1
        outcomes["canceled"] += scope.cancelled_caught

    callers = [
        Caller(
            calls_at=chance.uniform(0, 40),
            numbers=tuple(chance.sample(range(4), k=chance.randint(1, 4))),
            max_age=chance.choice([0.0, 1.0, 10.0]),
            timeout=chance.choice([0.2, 1000.0, 1000.0]),
        )
        for _ in range(40)
    ]
    async with anyio.create_task_group() as tasks:
        for caller in callers:
            tasks.start_soon(call_cache, caller)
    assert outcomes.total() == len(callers)
    assert len(scheduler.queries) <= len(callers)
