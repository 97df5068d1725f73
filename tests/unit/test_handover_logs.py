"""The logs in an evidence pack."""

import json
from pathlib import Path

from tests.rigs.embedded import serve_on_loopback
from tests.rigs.played_workflow import played_workflow
from torc_watch.app.composition import open_client
from torc_watch.app.handover import HandoverRequest, write_pack
from torc_watch.config.settings import Settings
from torc_watch.core.units import MIB
from torc_watch.sandbox.server import ServerSettings


async def test_log_that_several_jobs_share_is_packed_once(tmp_path: Path) -> None:
    output, folder = tmp_path / "output", tmp_path / "pack"
    (output / "job_stdio").mkdir(parents=True)
    for number in (1, 2):
        (output / "job_stdio" / f"job_wf1_j{number}_r0_a1.e").write_text(f"error {number}\n")
    (output / "job_runner_n1_wf1_r0.log").write_text("the runner of both\n")
    async with serve_on_loopback(ServerSettings(directory=tmp_path / "server")) as server:
        settings = Settings(
            home=tmp_path / "home", output_dir=output, api_url=server, username="ada", password=None
        )
        async with open_client(settings.connection()) as client:
            await played_workflow(client, {"first": 3, "second": 3})
        request = HandoverRequest(workflow_id=1, url=None, most=MIB)
        await write_pack(request, settings, [], folder, json.dumps, lambda _: None)
    assert sorted(file.name for file in (folder / "logs").iterdir()) == [
        "job_runner_n1_wf1_r0.log",
        "job_wf1_j1_r0_a1.e",
        "job_wf1_j2_r0_a1.e",
    ]
