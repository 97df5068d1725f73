"""The logs in an evidence pack."""

import json
from pathlib import Path

import pytest

from tests.rigs.embedded import serve_on_loopback
from tests.rigs.played_workflow import played_workflow
from torc_watch.app.composition import open_client
from torc_watch.app.handover import HandoverRequest, write_pack
from torc_watch.config.settings import Settings
from torc_watch.core.units import MIB
from torc_watch.sandbox.server import ServerSettings


async def pack_of(tmp_path: Path, codes: dict[str, int | None]) -> Path:
    """Of a workflow that is played; its runners wrote into the folder ``output``."""
    folder = tmp_path / "pack"
    async with serve_on_loopback(ServerSettings(directory=tmp_path / "server")) as server:
        settings = Settings(
            home=tmp_path / "home",
            output_dir=tmp_path / "output",
            api_url=server,
            username="ada",
            password=None,
        )
        async with open_client(settings.connection()) as client:
            await played_workflow(client, codes)
        request = HandoverRequest(workflow_id=1, url=None, most=MIB)
        await write_pack(request, settings, [], folder, json.dumps, lambda _: None)
    return folder


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "output" / "job_stdio"
    folder.mkdir(parents=True)
    return folder


async def test_log_that_several_jobs_share_is_packed_once(tmp_path: Path, written: Path) -> None:
    for number in (1, 2):
        (written / f"job_wf1_j{number}_r0_a1.e").write_text(f"error {number}\n")
    (written.parent / "job_runner_n1_wf1_r0.log").write_text("the runner of both\n")
    folder = await pack_of(tmp_path, {"first": 3, "second": 3})
    assert sorted(file.name for file in (folder / "logs").iterdir()) == [
        "job_runner_n1_wf1_r0.log",
        "job_wf1_j1_r0_a1.e",
        "job_wf1_j2_r0_a1.e",
    ]
    assert "last error line of job 1: error 1" in (folder / "why.txt").read_text()


async def test_nothing_is_quoted_of_what_a_job_has_linked(tmp_path: Path, written: Path) -> None:
    private = tmp_path / "private"
    private.write_text("my private line\n")
    (written / "job_wf1_j1_r0_a1.o").symlink_to(private)
    folder = await pack_of(tmp_path, {"first": 3})
    for file in (each for each in folder.rglob("*") if each.is_file()):
        assert "my private line" not in file.read_text(), file.name
