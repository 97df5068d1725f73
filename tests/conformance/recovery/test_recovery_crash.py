"""The engine is killed at every point of a round, and the same command continues there."""

import re
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationSpec, AllocationStatus, NodeClass, StepEnd
from torc_watch.core.events import Verdict
from torc_watch.core.units import MIB
from torc_watch.schedulers.base import EndedAttempts, WorkerAssignment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Forward, OpenSite, SimulatedScheduler, Site

pytestmark = [pytest.mark.looptime, pytest.mark.timeout(300)]

T = TypeVar("T")

CHANGE_COUNTER = slice(24, 28)  # of the header of a SQLite file
READS = ("GET ", "node_classes", "kill_wait", "statuses", "steps", "find")


@dataclass
class Kill:
    """Stops the engine at its call number ``at`` to the outside: never made, or never answered.

    As after a real kill, nothing that the engine would still do reaches anybody. ``calls`` are
    their names, each with a mark that tells how much had been journaled before.
    """

    journal: Path
    at: int | None = None
    answer_is_lost: bool = False
    calls: list[tuple[str, bytes]] = field(default_factory=list)
    happened: anyio.Event = field(default_factory=anyio.Event)

    async def answer(self, request: httpx.Request, forward: "Forward") -> httpx.Response:
        return await self.call(f"{request.method} {request.url.path}", lambda: forward(request))

    async def call(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls.append((name, self.journal.read_bytes()[CHANGE_COUNTER]))
        number = len(self.calls)
        if self.at is None or number < self.at:
            return await call()
        if number == self.at and self.answer_is_lost:
            await call()
        self.happened.set()
        await anyio.sleep_forever()
        raise AssertionError


@dataclass
class MortalScheduler:
    """The scheduler, as far as the engine can reach it."""

    scheduler: "SimulatedScheduler"
    kill: Kill

    @property
    def type(self) -> str:
        return self.scheduler.type

    async def node_classes(self) -> tuple[NodeClass, ...]:
        return await self.kill.call("node_classes", self.scheduler.node_classes)

    async def cluster_name(self) -> str:
        return "ridge"

    async def kill_wait(self) -> int | None:
        return await self.kill.call("kill_wait", self.scheduler.kill_wait)

    async def expected_start(self, spec: AllocationSpec) -> Any:
        return await self.scheduler.expected_start(spec)

    async def find(self, tokens: Collection[str]) -> dict[str, int]:
        return await self.kill.call("find", lambda: self.scheduler.find(tokens))

    async def release(self, numbers: Sequence[int]) -> None:
        await self.kill.call("release", lambda: self.scheduler.release(numbers))

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        return await self.kill.call("submit", lambda: self.scheduler.submit(spec, work))

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        return await self.kill.call("statuses", lambda: self.scheduler.statuses(numbers))

    async def steps(self, numbers: Collection[int]) -> dict[int, dict[str, StepEnd]]:
        return await self.kill.call("steps", lambda: self.scheduler.steps(numbers))

    async def cancel(self, number: int) -> None:
        await self.kill.call("cancel", lambda: self.scheduler.cancel(number))

    async def end_remnants(self, number: int, attempts: EndedAttempts) -> int:
        ask = partial(self.scheduler.end_remnants, number, attempts)
        return await self.kill.call("end_remnants", ask)


async def watch(site: "Site", kill: Kill) -> Verdict | None:
    """The verdict, or None when it did not come to that."""
    verdict = None
    site.line.fault = kill.answer

    async def live() -> None:
        nonlocal verdict
        ended = await site.watch(1, MortalScheduler(site.scheduler, kill))
        verdict = ended.verdict
        kill.happened.set()

    async with anyio.create_task_group() as process:
        process.start_soon(live)
        await kill.happened.wait()
        process.cancel_scope.cancel()
    site.line.fault = None
    return verdict


async def end_state(site: "Site") -> dict[str, Any]:
    """Everything that must not depend on whether the engine was killed."""
    rows = await site.client.list_requirements(1)
    allocations = await site.client.list_allocations(1)
    actions = await site.client.transport.get("/workflows/1/actions")
    with closing(sqlite3.connect(site.directory / "journal.db")) as journal:
        rounds = journal.execute("SELECT number, run_id, outcome FROM round").fetchall()
        watches = journal.execute("SELECT verdict FROM watch").fetchall()
    return {
        "run": (await site.client.get_workflow(1)).run_id,
        "rows": sorted((row.name, row.memory, row.runtime) for row in rows),
        "asked": {name: row.name for name, row in (await site.requirements(1)).items()},
        "results": await site.results(1),
        "allocations": [(each.scheduler_id, each.status) for each in allocations],
        "submitted": len(site.scheduler.requests),
        "rounds": rounds,
        "watches": watches,
        "allocated under": [each.scheduler_config_id for each in allocations],
        "actions": sorted(row["id"] for row in actions if row["executed"]),
        "lead": (await site.client.get_workflow(1)).sigterm_lead,
    }


async def prepare(open_site: "OpenSite") -> None:
    """A folder 'before': every kind of failure in one workflow, no worker alive, no engine yet.

    One job ran out of memory, which canceled its child, and one failed for no reason; a worker died
    with two more, one of them running, one only claimed.
    """
    fine = [f"fine_{number}" for number in range(8)]  # as many jobs as the first worker takes
    async with open_site("before") as site:
        site.scheduler.endings = {"hungry": [(137, 64 * MIB, 10.0)], "odd": [(1, None, 10.0)]}
        site.scheduler.deaths = {2: "half-way"}
        jobs = [*fine, "hungry", "odd", "running", "claimed", "child"]
        await site.submit(jobs, after={"child": "hungry"}, allocations=2)
        await site.scheduler.rest()


async def prepare_for_slurm(open_site: "OpenSite") -> None:
    """The same in Slurm, with jobs that are tied to another row, and actions of the workers.

    Two of the actions are due in the new run. One waits for a job of a later layer.
    """
    fine = [f"fine_{number}" for number in range(8)]
    async with open_site("before", scheduler_type="slurm") as site:
        site.scheduler.endings = {"hungry": [(137, 65 * MIB, 10.0)], "odd": [(1, None, 10.0)]}
        site.scheduler.deaths = {2: "half-way"}
        jobs = [*fine, "hungry", "odd", "running", "claimed", "child"]
        await site.submit(jobs, after={"child": "hungry"}, allocations=2)
        await site.scheduler.rest()
        other = await site.create_row(1, mem="2g")
        for job in await site.client.list_jobs(1):
            body = {"workflow_id": 1, "name": job.name, "command": job.command}
            if job.name == "odd":
                await site.client.transport.put(
                    f"/jobs/{job.id}", body=body | {"scheduler_id": other}
                )
        ids = {job.name: job.id for job in await site.client.list_jobs(1)}
        for gate in (None, "hungry", "child"):
            config = {"scheduler_type": "slurm", "scheduler_id": 1, "num_allocations": 1}
            action = {"workflow_id": 1, "action_type": "schedule_nodes", "action_config": config}
            action |= {"trigger_type": "on_jobs_ready" if gate else "on_workflow_start"}
            action |= {"job_ids": [ids[gate]]} if gate else {}
            await site.client.transport.post("/workflows/1/actions", body=action)


Point = tuple[int, bool]  # the number of a call, and whether it arrives before the kill


async def sweep(
    open_site: "OpenSite",
    folder: Path,
    points: "Callable[[Kill], Iterator[Point]]",
    *,
    scheduler_type: str = "local",
) -> int:
    """Kills the engine at these points of its first round, one after the other; their number."""

    def reopen(name: str) -> Any:
        shutil.copytree(folder / "before", folder / name)
        return open_site(name, scheduler_type=scheduler_type, allocations_before=2)

    seconds_to_kill = 30 if scheduler_type == "slurm" else None
    await (prepare(open_site) if scheduler_type == "local" else prepare_for_slurm(open_site))
    async with reopen("undisturbed") as site:
        site.scheduler.seconds_to_kill = seconds_to_kill
        undisturbed = Kill(site.directory / "journal.db")
        assert await watch(site, undisturbed) is Verdict.SUCCEEDED
        expected = await end_state(site)
        assert expected["rounds"] == [(1, 1, "resubmitted")]
        assert expected["watches"] == [("succeeded",)]
        (planned,) = site.seen(events.RecoveryPlanned)
        assert [retry.job_name for retry in planned.plan.retries] == ["hungry", "odd", "running"]
    kills = 0
    for number, answer_is_lost in points(undisturbed):
        async with reopen(f"{number}-{answer_is_lost}") as site:
            site.scheduler.seconds_to_kill = seconds_to_kill
            kill = Kill(site.directory / "journal.db", number, answer_is_lost=answer_is_lost)
            assert await watch(site, kill) is None
            if site.seen(events.RecoveryInitiated):
                break
            ended = await site.watch(1)
            where = f"killed at call {number} ({kill.calls[-1][0]}), answer lost: {answer_is_lost}"
            assert ended.verdict is Verdict.SUCCEEDED, where
            assert await end_state(site) == expected, where
            kills += 1
    return kills


def all_points(undisturbed: Kill) -> "Iterator[Point]":
    """Before and after each change; before a read only where something was journaled last."""
    journaled = b""
    for number, (name, mark) in enumerate(undisturbed.calls, start=1):
        is_read = name.startswith(READS)
        if not is_read or mark != journaled:
            yield number, False
        if not is_read:
            yield number, True
        journaled = mark


def one_of_each(undisturbed: Kill) -> "Iterator[Point]":
    """After the first change of each kind."""
    kinds: set[str] = set()
    for number, (name, _) in enumerate(undisturbed.calls, start=1):
        kind = re.sub(r"\d+", "", name)
        if not name.startswith(READS) and kind not in kinds:
            kinds.add(kind)
            yield number, True


@pytest.mark.slow
@pytest.mark.parametrize("server_name", ["embedded-1.0"], indirect=True)
async def test_crash_at_every_request(open_site: "OpenSite", quick_path: Path) -> None:
    assert await sweep(open_site, quick_path, all_points) >= 34


@pytest.mark.slow
@pytest.mark.parametrize("server_name", ["embedded-0.12", "embedded-1.0"], indirect=True)
async def test_crash_at_every_request_of_a_round_in_slurm(
    open_site: "OpenSite", quick_path: Path
) -> None:
    assert await sweep(open_site, quick_path, all_points, scheduler_type="slurm") >= 40


def one_of_each_step(undisturbed: Kill) -> "Iterator[Point]":
    """After the first change of each step, which is journaled before it."""
    steps: set[bytes] = set()
    for number, (name, mark) in enumerate(undisturbed.calls, start=1):
        if not name.startswith(READS) and mark not in steps:
            steps.add(mark)
            yield number, True


@pytest.mark.slow
@pytest.mark.parametrize("server_name", ["embedded-0.12"], indirect=True)
async def test_crash_after_each_kind_of_change(open_site: "OpenSite", quick_path: Path) -> None:
    """Here a run is begun in two of them, the first of which writes its number."""
    assert await sweep(open_site, quick_path, one_of_each) == 14


@pytest.mark.parametrize("scheduler_type", ["local", "slurm"])
@pytest.mark.parametrize("server_name", ["torc-0.12.2", "torc-1.0.0"], indirect=True)
async def test_crash_in_each_step(
    open_site: "OpenSite", quick_path: Path, scheduler_type: str
) -> None:
    """Those that change something: orphans, adjust, reset, reinitialize, allocate."""
    kills = await sweep(open_site, quick_path, one_of_each_step, scheduler_type=scheduler_type)
    assert kills == 5
