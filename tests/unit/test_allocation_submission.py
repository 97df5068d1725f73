"""Submissions at once: which numbers and which error come out, whatever the order of answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from anyio import lowlevel
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import (
    JournalError,
    LeaseLost,
    SchedulerError,
    SchedulerUnreachable,
    TorcWatchError,
)
from torc_watch.core.units import GIB
from torc_watch.engine.allocation_submission import _submit
from torc_watch.schedulers.base import Scheduler, WorkerAssignment
from torc_watch.torc.transport import Connection

if TYPE_CHECKING:
    from torc_watch.torc.client import TorcClient

WORK = WorkerAssignment(
    connection=Connection(url="http://localhost:1/torc-service/v1"),
    workflow_id=1,
    scheduler_config_id=1,
    output_dir=Path("out"),
)
REFUSAL = SchedulerError("The submit limit is reached.")
SILENCE = SchedulerUnreachable("slurmctld does not answer.")


@dataclass
class UnevenScheduler:
    """Takes ``turns`` of the event loop for a submission, and raises ``errors`` by position."""

    turns: Sequence[int] = ()
    errors: dict[int, TorcWatchError] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    released: tuple[int, ...] = ()
    begun: list[int] = field(default_factory=list)
    searches: int = 0
    looked_for: set[str] = field(default_factory=set)  # the last time
    running: int = 0
    most: int = 0
    type: str = "slurm"

    async def find(self, tokens: Collection[str]) -> dict[str, int]:
        self.searches += 1
        self.looked_for = set(tokens)
        return {token: number for token, number in self.numbers.items() if token in tokens}

    async def submit(self, spec: AllocationSpec, _work: WorkerAssignment) -> int:
        position = int(spec.token)
        self.begun.append(position)
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(self.turns[position] if self.turns else 1):
            await lowlevel.checkpoint()
        self.running -= 1
        if error := self.errors.get(position):
            raise error
        return self.numbers.setdefault(spec.token, 100 + len(self.numbers))

    async def release(self, numbers: Sequence[int]) -> None:
        self.released = tuple(numbers)


@dataclass
class Rows:
    """The server's rows of allocations."""

    numbers: list[int] = field(default_factory=list)

    async def list_allocations(self, _workflow_id: int) -> list[Any]:
        return []

    async def create_allocation(self, _workflow_id: int, *, scheduler_id: int, **_: Any) -> None:
        self.numbers.append(scheduler_id)


async def submit(
    scheduler: UnevenScheduler, rows: Rows, count: int
) -> tuple[dict[str, int], SchedulerError | None]:
    """What the scheduler has is known beforehand."""
    specs = [AllocationSpec(token=str(n), num_cpus=1, memory=GIB) for n in range(count)]
    return await _submit(
        cast("TorcClient", rows),
        cast("Scheduler", scheduler),
        [(spec, WORK) for spec in specs],
        dict(scheduler.numbers),
    )


@given(
    turns=st.lists(st.integers(0, 5), max_size=12),
    known=st.sets(st.integers(0, 11)),
    refused=st.sets(st.integers(0, 11)),
)
def test_each_token_is_submitted_once_released_and_recorded(
    turns: list[int], known: set[int], refused: set[int]
) -> None:
    numbers = {str(n): n + 1 for n in known if n < len(turns)}
    errors = cast("dict[int, TorcWatchError]", dict.fromkeys(refused, REFUSAL))
    scheduler = UnevenScheduler(turns, errors, dict(numbers))
    rows = Rows()

    async def check() -> None:
        try:
            found, refusal = await submit(scheduler, rows, len(turns))
        except SchedulerError:
            assert not scheduler.numbers
            return
        assert found == scheduler.numbers
        assert list(found) == sorted(found, key=int), "in the order of the plan"
        assert (refusal is not None) == bool(refused & set(scheduler.begun))
        assert refusal is not None or len(found) == len(turns)
        assert sorted(rows.numbers) == sorted(scheduler.released) == sorted(found.values())

    if turns:
        anyio.run(check)
    assert len(set(scheduler.begun)) == len(scheduler.begun)
    assert not set(scheduler.begun) & {int(token) for token in numbers}
    assert scheduler.most <= 4


@pytest.mark.parametrize(
    ("errors", "raised", "searches"),
    [
        ({0: REFUSAL}, SchedulerError, 0),
        ({1: SILENCE}, SchedulerUnreachable, 0),
        ({1: REFUSAL, 3: SILENCE}, SchedulerUnreachable, 0),
        ({1: LeaseLost("taken over")}, LeaseLost, 1),
        ({1: REFUSAL, 2: LeaseLost("taken over")}, LeaseLost, 1),
        ({0: LeaseLost("taken over")}, LeaseLost, 1),
        ({1: JournalError("no disk")}, JournalError, 0),
    ],
)
async def test_error_is_raised_as_itself_before_any_row(
    errors: dict[int, TorcWatchError], raised: type[TorcWatchError], searches: int
) -> None:
    scheduler, rows = UnevenScheduler(errors=errors), Rows()
    with pytest.raises(raised):
        await submit(scheduler, rows, 20)
    assert len(scheduler.begun) <= (5 if min(errors) else 1), "none begins after an error"
    assert scheduler.searches == searches
    assert not rows.numbers
    assert not scheduler.released


async def test_submissions_under_way_when_one_is_refused_count() -> None:
    scheduler, rows = UnevenScheduler(turns=[1, 3, 1, 3, 3, 3], errors={2: REFUSAL}), Rows()
    numbers, refusal = await submit(scheduler, rows, 6)
    assert refusal is REFUSAL
    assert list(numbers) == ["0", "1", "3", "4"]
    assert sorted(rows.numbers) == sorted(numbers.values())


async def test_all_tokens_are_looked_for_when_submissions_are_interrupted() -> None:
    scheduler, rows = UnevenScheduler(turns=[1, *(1_000 for _ in range(19))]), Rows()
    async with anyio.create_task_group() as group:
        group.start_soon(submit, scheduler, rows, 20)
        while scheduler.running < 4:
            await lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert len(scheduler.begun) == 5
    assert (scheduler.searches, len(scheduler.looked_for)) == (1, 20)
    assert not rows.numbers
