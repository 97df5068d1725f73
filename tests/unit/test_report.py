"""What a report knows of a workflow that is there, gone, never watched, or out of reach."""

from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest

from tests.rigs.embedded import serve_on_loopback
from tests.rigs.played_workflow import played_workflow
from torc_watch.app.composition import open_client
from torc_watch.app.report import report_key, workflow_report
from torc_watch.app.report_file import refuse_other_files, write_report
from torc_watch.config.settings import DEFAULT_URL, Settings, load_settings
from torc_watch.core.assessment import has_succeeded
from torc_watch.core.errors import InvalidInput, ServerUnreachable
from torc_watch.core.timeline import AttemptState
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.journal import Journal
from torc_watch.render.report_page.page import report_page
from torc_watch.sandbox.server import ServerSettings
from torc_watch.torc import retry_policy
from torc_watch.torc.client import TorcClient

OTHER = "http://other/torc-service/v1"
NOWHERE = "http://127.0.0.1:9/torc-service/v1"  # where no server listens


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(retry_policy, "_REQUEST_PAUSE", 0.0)  # no server listens
    monkeypatch.setenv("TORC_WATCHD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("TORC_API_URL", NOWHERE)
    return load_settings()


@pytest.fixture
def empty_server(tmp_path: Path) -> AbstractAsyncContextManager[str]:
    """One without workflows, as its URL. The test enters it: it ends in the task that began it."""
    return serve_on_loopback(ServerSettings(directory=tmp_path / "server"))


async def ended_workflow(client: TorcClient) -> int:
    return await played_workflow(client, {"good": 0, "bad": 3})


def watched(settings: Settings, server: str, workflow_id: int) -> None:
    """The journal has a watch of it, which was handed over."""
    identity = WorkflowIdentity(server=server, workflow_id=workflow_id, created="")
    settings.home.mkdir(exist_ok=True)
    with closing(Journal(settings.home / "journal.db")) as journal:
        journal.end_watch(journal.begin_watch(identity).id, "handed_over", "No way.")


async def test_workflow_that_was_never_watched(
    settings: Settings, empty_server: AbstractAsyncContextManager[str]
) -> None:
    async with empty_server as server:
        async with open_client(settings.connection(server)) as client:
            workflow_id = await ended_workflow(client)
        report = await workflow_report(workflow_id, server, settings)
        known = report.known
        assert known is not None
        assert not report.watches
        assert not report.troubles
        assert not has_succeeded(known.counts)
        (lane,) = known.timeline.lanes
        assert (lane.node, lane.count(AttemptState.SUCCEEDED), lane.count(AttemptState.FAILED)) == (
            "n1",
            1,
            1,
        )
        assert [group.findings[0].job.name for group in known.failures] == ["bad"]
        assert len(known.utilization.kinds) == 2
        assert "torc-watchd has not watched this workflow" in report_page(report)


@pytest.mark.parametrize(("workers", "node"), [(50, "n1"), (51, "")])
async def test_node_of_a_running_job_is_asked_for_where_few_workers_live(
    workers: int, node: str, settings: Settings, empty_server: AbstractAsyncContextManager[str]
) -> None:
    async with empty_server as server:
        async with open_client(settings.connection(server)) as client:
            workflow_id = await played_workflow(client, {"slow": None}, more_workers=workers - 1)
        known = (await workflow_report(workflow_id, server, settings)).known
        assert known is not None
        lanes = {lane.node for lane in known.timeline.lanes if lane.count(AttemptState.RUNNING)}
        assert lanes == {node}


async def test_workflow_that_was_deleted_is_what_the_journal_knows(
    settings: Settings, empty_server: AbstractAsyncContextManager[str]
) -> None:
    async with empty_server as server:
        watched(settings, server, 7)
        report = await workflow_report(7, server, settings)
        assert report.known is None
        assert not report.is_unreachable
        assert "is not on http://127.0.0.1" in report.troubles[0]
        page = report_page(report)
        assert "Its last watch ended: handed over: No way." in page
        assert "is not on http://127.0.0.1" in page


@pytest.mark.looptime
async def test_workflow_of_a_server_out_of_reach(settings: Settings) -> None:
    watched(settings, NOWHERE, 7)
    report = await workflow_report(7, None, settings)
    assert report.is_unreachable
    assert report.troubles[0].endswith("Make it again when the server answers.")
    with pytest.raises(ServerUnreachable):
        await workflow_report(8, None, settings)


async def test_workflow_of_which_nobody_knows_is_refused(
    settings: Settings, empty_server: AbstractAsyncContextManager[str]
) -> None:
    async with empty_server as server:
        with pytest.raises(InvalidInput, match="torc-watchd never watched one"):
            await workflow_report(7, server, settings)


async def test_journal_that_cannot_be_read_leaves_the_rest(
    settings: Settings, empty_server: AbstractAsyncContextManager[str]
) -> None:
    async with empty_server as server:
        async with open_client(settings.connection(server)) as client:
            workflow_id = await ended_workflow(client)
        settings.home.mkdir()
        (settings.home / "journal.db").write_bytes(b"no database" * 100)
        report = await workflow_report(workflow_id, server, settings)
        assert report.known is not None
        assert report.troubles[0].startswith("No history: ")


def test_server_of_a_workflow_that_was_only_watched_elsewhere(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is where the user chose none: neither by --url, nor by a variable or a file."""
    watched(settings, OTHER, 7)
    assert report_key(7, None, settings).server == NOWHERE
    assert report_key(7, "http://third", settings).server == "http://third/torc-service/v1"
    (settings.home.parent / "config" / "torc-watchd").mkdir(parents=True)
    file = settings.home.parent / "config" / "torc-watchd" / "config.toml"
    monkeypatch.delenv("TORC_API_URL")
    file.write_text('api_url = "http://fourth"')
    assert report_key(7, None, load_settings()).server == "http://fourth/torc-service/v1"
    file.unlink()
    assert report_key(7, None, load_settings()).server == OTHER
    assert report_key(8, None, load_settings()).server == DEFAULT_URL


async def test_chosen_server_without_the_workflow_names_the_one_that_had_it(
    settings: Settings, empty_server: AbstractAsyncContextManager[str]
) -> None:
    async with empty_server as server:
        watched(settings, OTHER, 7)
        with pytest.raises(InvalidInput, match=f"watched one on {OTHER}: choose .* --url"):
            await workflow_report(7, server, settings)


def test_a_report_replaces_only_a_report(tmp_path: Path) -> None:
    page = '<!DOCTYPE html>\n<meta name="generator" content="torc-watchd report 9.9">'
    target, other = tmp_path / "report.html", tmp_path / "results.csv"
    for _ in range(2):
        refuse_other_files(target)
        assert write_report(target, page) == "1 KiB"
    assert target.read_text() == page
    assert list(tmp_path.iterdir()) == [target]
    other.write_text("a,b\n")
    for path in (other, tmp_path, tmp_path / "none" / "report.html", Path("/dev/null")):
        with pytest.raises(InvalidInput):
            refuse_other_files(path)


def test_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_report(tmp_path / "none" / "report.html", "")


def test_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    link, target = tmp_path / "latest.html", tmp_path / "report.html"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_report(link, "new")
    assert link.is_symlink()
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o640)


def test_file_at_the_end_of_a_link_is_made(tmp_path: Path) -> None:
    """As by `handover`, and by the shell's redirection."""
    link, target = tmp_path / "latest.html", tmp_path / "monday.html"
    link.symlink_to(target.name)
    refuse_other_files(link)
    write_report(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize(
    ("leads_to", "refusal"),
    [("none/report.html", "There is no folder .*/none: make it"), ("latest.html", "leads nowhere")],
)
def test_link_that_leads_to_no_file_is_refused_at_once(
    leads_to: str, refusal: str, tmp_path: Path
) -> None:
    link = tmp_path / "latest.html"
    link.symlink_to(leads_to)
    with pytest.raises(InvalidInput, match=refusal):
        refuse_other_files(link)
