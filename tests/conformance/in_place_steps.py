"""Graphs and steps of recoveries in place: while other jobs of the workflow still run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

# Job name to dependencies. "other" is the job that runs meanwhile.
CHAIN = {"other": [], "a": [], "b": ["a"], "c": ["b"]}
DIAMOND = {"other": [], "top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}
TWO_PARENTS = {"other": [], "p": [], "q": [], "child": ["p", "q"]}
RUNNING = {"other": "running"}


async def start_all(torc: "Torc", graph: Mapping[str, Sequence[str]], **fields: Any) -> None:
    """Add the jobs, and start those without dependencies."""
    await torc.add(graph, **fields)
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    for name in [name for name, blockers in graph.items() if not blockers]:
        assert await torc.start(name) == 200


async def begin(torc: "Torc", graph: Mapping[str, Sequence[str]], *failing: str) -> None:
    """Start all jobs without dependencies, fail some of them, and wait for the unblocking task."""
    await start_all(torc, graph)
    for name in failing:
        assert await torc.complete(name, "failed", 137) == 200
    await torc.background_work_done()


async def retry(torc: "Torc", name: str, *, after_attempt: int | None = None) -> int:
    """Retry a job unless its attempt is another than ``after_attempt``; returns the HTTP status."""
    job = (await torc.jobs())[name]
    attempt = job["attempt_id"] if after_attempt is None else after_attempt
    path = f"/jobs/{job['id']}/retry/{torc.run_id}?max_retries={attempt + 1}"
    return await torc.status_of("POST", path)


async def block(torc: "Torc", *names: str) -> None:
    for name in names:
        assert await torc.set_status(name, "blocked") == 200


async def recover(torc: "Torc", name: str, *descendants: str) -> None:
    assert await torc.set_status(name, "running") == 200
    await block(torc, *descendants)
    assert await retry(torc, name) == 200


async def end(torc: "Torc", name: str, return_code: int = 0) -> int:
    """Claim, start and complete a job, wait for the unblocking task; returns the HTTP status."""
    await torc.claim()
    assert await torc.start(name) == 200
    status = "failed" if return_code else "completed"
    answer = await torc.complete(name, status, return_code)
    await torc.background_work_done()
    return answer


async def end_other(torc: "Torc") -> int:
    """Complete the job that runs meanwhile, and wait for the unblocking task."""
    answer = await torc.complete("other")
    await torc.background_work_done()
    return answer
