"""Watches of workflows with failures that leave no word."""

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import events
from torc_watch.core.cause import Cause
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.job_output import stdio_name
from torc_watch.core.output_files import is_of_a_node
from torc_watch.core.recovery_round import Plan
from torc_watch.core.units import MIB
from torc_watch.engine import room_probe, silent_failures
from torc_watch.torc.requests import NewFile, NewJob, NewRequirements, NewWorkflow

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

FAILURE = (1, None, 10.0)
HOUR = 3600.0
KEY_ERROR = "KeyError: 'price'\n"
WARNING = "the table is rather short\n"


class Disk:
    """Of the output folder, as it is asked for room."""

    def __init__(self) -> None:
        self.is_full = True
        self.asked: list[Path] = []

    def refuses_files(self, folder: Path) -> bool:
        self.asked.append(folder)
        return self.is_full

    def has_free_room(self, _: Path, **__: bool) -> bool:
        return not self.is_full


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(silent_failures, "refuses_files", disk.refuses_files)
    monkeypatch.setattr(room_probe, "has_free_room", disk.has_free_room)
    return disk


def write(site: "Site", errors: str | None, output: str = "", *, job_id: int = 1) -> None:
    for stream, text in (("e", errors), ("o", output)):
        name = stdio_name(workflow_id=1, job_id=job_id, run_id=1, attempt=1, stream=stream)
        path = site.directory / name
        path.parent.mkdir(exist_ok=True)
        if text is not None:
            path.write_text(text)


def plans(site: "Site") -> list[Plan]:
    return [event.plan for event in site.seen(events.RecoveryPlanned)]


async def submit_with_output(site: "Site") -> Path:
    """``a`` declares a file, which no simulated job writes."""
    client, table = site.client, site.directory / "table.csv"
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    small = NewRequirements(name="small", memory=64 * MIB, runtime=60)
    row = await client.create_requirements(workflow_id, small)
    (file,) = await client.create_files(workflow_id, [NewFile(name="table", path=str(table))])
    job = NewJob(name="a", command="true", requirements_id=row, output_file_ids=(file,))
    await client.create_jobs(workflow_id, [job])
    await client.advance_run(workflow_id, to_run=1)
    await client.initialize_jobs(workflow_id)
    await site.allocate(workflow_id)
    return table


async def test_folder_without_room_for_a_word_is_waited_for(
    open_site: "OpenSite", disk: Disk
) -> None:
    """Two jobs could write nothing; the folder is asked once."""
    async with open_site() as site, anyio.create_task_group() as tasks:
        site.scheduler.endings = {"a": [FAILURE], "b": [FAILURE]}
        workflow_id = await site.submit(["a", "b"])
        for job_id in (1, 2):
            write(site, "", job_id=job_id)
        ended: list[WatchEnded] = []

        async def watch() -> None:
            ended.append(await site.watch(workflow_id, poll_interval=120))

        tasks.start_soon(watch)
        await anyio.sleep(3 * HOUR)
        (told,) = site.seen(events.RetryPostponed)
        assert told.reason == "for free space, to run 2 jobs again: file system full"
        assert disk.asked == [site.directory]
        disk.is_full = False
        await anyio.sleep(HOUR)
        assert [each.verdict for each in ended] == [Verdict.SUCCEEDED]


@pytest.mark.parametrize(
    ("errors", "output"),
    [
        pytest.param(KEY_ERROR, "", id="the error is known"),
        pytest.param(WARNING, "", id="it could write"),
        pytest.param("", WARNING, id="it could write its output"),
        pytest.param(None, WARNING, id="no file for errors"),
    ],
)
async def test_nobody_writes_where_the_job_could(
    open_site: "OpenSite", disk: Disk, errors: str | None, output: str
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE]}
        workflow_id = await site.submit(["a"])
        write(site, errors, output)
        ended = await site.watch(workflow_id)
    assert (ended.verdict, disk.asked) == (Verdict.SUCCEEDED, [])


@pytest.mark.parametrize(
    ("errors", "is_there", "cause"),
    [
        pytest.param("", False, Cause.INPUT, id="missing"),
        pytest.param("", True, Cause.UNKNOWN, id="there"),
        pytest.param(WARNING, False, Cause.UNKNOWN, id="an error that is not known"),
        pytest.param(None, False, Cause.UNKNOWN, id="no file for errors"),
        pytest.param(KEY_ERROR, False, Cause.CODE, id="an error that is known"),
    ],
)
async def test_declared_output_that_is_missing(
    open_site: "OpenSite",
    monkeypatch: pytest.MonkeyPatch,
    errors: str | None,
    cause: Cause,
    *,
    is_there: bool,
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "n1")
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE]}
        table = await submit_with_output(site)
        if is_there:
            table.touch()
        write(site, errors, "3 rows\n")
        await site.watch(1)
    (plan,) = plans(site)
    assert [each.cause for each in plan.retries] == [cause]


async def test_file_on_another_node_is_not_known(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE]}
        table = await submit_with_output(site)
        assert is_of_a_node(str(table))
        write(site, "")
        await site.watch(1)
    (plan,) = plans(site)
    assert [each.cause for each in plan.retries] == [Cause.UNKNOWN]


async def test_server_is_not_asked_for_files_of_explained_failures(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [FAILURE] * 9}
        await submit_with_output(site)
        write(site, KEY_ERROR)
        await site.scheduler.rest()
        site.line.sent.clear()
        await site.watch(1, recovery=None)
    assert "/files" not in {path for _, _, path in site.line.sent}
