"""Jobs that run again while others run, before each server: none of their dependents is lost.

There are no events: the server has looked at all failures when the watch sees them.
"""

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.rigs.driven_worker import start_worker, statuses
from torc_watch.core.errors import ServerFault
from torc_watch.core.model import JobStatus
from torc_watch.torc.requests import NewJob

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = [pytest.mark.looptime, pytest.mark.timeout(300)]

Graph = dict[str, str]  # the names of jobs, of one letter, and the letters of those they depend on
CHAIN = {"a": "", "b": "a", "c": "b", "d": "c"}
DIAMOND = {"a": "", "l": "a", "r": "a", "z": "lr"}
TWO = {"a": "", "x": "", "z": "ax"}


async def submit(site: "Site", graph: Graph) -> int:
    workflow_id = await site.submit(["other"], allocations=0)
    row = (await site.client.list_requirements(workflow_id))[-1].id
    ids: dict[str, int] = {}
    for name, parents in graph.items():
        job = NewJob(
            name=name,
            command="true",
            requirements_id=row,
            depends_on_job_ids=tuple(ids[parent] for parent in parents),
        )
        (ids[name],) = await site.client.create_jobs(workflow_id, [job])
    await site.client.initialize_jobs(workflow_id)
    return workflow_id


@pytest.mark.parametrize("graph", [CHAIN, DIAMOND, TWO], ids=["chain", "diamond", "two"])
@pytest.mark.parametrize("fails_again", [False, True])
async def test_every_job_completes_in_one_run(
    open_site: "OpenSite", graph: Graph, fails_again: bool
) -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await submit(site, graph)
        worker = await start_worker(site, workflow_id)
        for name in await worker.claim():
            if name != "other":
                await worker.fail(name)
        await anyio.sleep(40)
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        if fails_again:
            for name in await worker.claim():
                await worker.fail(name)
            await anyio.sleep(100)
        for _ in graph:
            for name in await worker.claim():
                await worker.end(name, JobStatus.COMPLETED)
            await anyio.sleep(40)
        found = await statuses(site, workflow_id)
        assert found.pop("other") == ("running", 1)
        assert {status for status, _ in found.values()} == {"completed"}
        attempts = {name: 2 + fails_again if not parents else 1 for name, parents in graph.items()}
        assert {name: attempt for name, (_, attempt) in found.items()} == attempts
        tasks.cancel_scope.cancel()


async def test_late_report_of_an_earlier_attempt_changes_nothing(open_site: "OpenSite") -> None:
    """Its worker lives on. The server has a result of that attempt."""
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await submit(site, {"a": ""})
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        late = worker.jobs["a"]
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        await worker.claim()
        assert (await statuses(site, workflow_id))["a"] == ("running", 2)
        worker.jobs["a"] = late
        with pytest.raises(ServerFault):
            await worker.end("a", JobStatus.COMPLETED)
        assert (await statuses(site, workflow_id))["a"] == ("running", 2)
        tasks.cancel_scope.cancel()
