"""What jobs of a real allocation have written: jobs logs, and the evidence pack."""

import json

import pytest

from tests.rigs.slurm_cluster import wait_until
from tests.rigs.slurm_release import is_own
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_COMMAND = (
    "echo up; until [ -e go ]; do sleep 0.2; done; export KEY_TOKEN=abc-123; echo end; exit 3"
)


def test_job_is_followed_and_its_evidence_packed(torc: TorcOnSlurm) -> None:
    if not is_own(torc.cluster.site.release.name):
        pytest.skip("names of files do not depend on the release of Slurm")
    job = TorcJob(name="talks", command=f"cd {torc.folder}; {_COMMAND}")
    workflow_id = torc.run(specification([job], TorcAllocations(), mode="slurm"))
    job_id = torc.jobs(workflow_id)["talks"]["id"]
    wait_until(lambda: torc.statuses(workflow_id)["talks"] == "running", "the start of the job", 60)

    ours = TorcWatchd(torc)
    output = ("--output-dir", torc.output_folder)
    with ours.running("jobs", "logs", job_id, "--follow", "--slurm", *output) as follower:
        follower.until("up")
        (torc.folder / "go").touch()
        assert follower.end() == 0, follower.output
    assert "\nend\n" in follower.output
    assert follower.output.endswith(f"Job {job_id} (talks) is failed.\n")

    values = json.loads(ours.run("jobs", "logs", job_id, "--slurm", "--json", *map(str, output)))
    kinds = {file["kind"] for file in values["files"] if not file["trouble"]}
    assert {"stdout", "allocation", "runner"} <= kinds

    ours.run("handover", workflow_id, "-o", "pack", *map(str, output))
    names = {path.name for path in (torc.folder / "pack/logs").iterdir()}
    (allocation,) = torc.rows("/scheduled_compute_nodes", workflow_id)
    number = allocation["scheduler_id"]
    assert f"slurm_output_wf{workflow_id}_sl{number}.o" in names
    assert any(name.startswith(f"job_runner_slurm_wf{workflow_id}_sl{number}_n") for name in names)
    written = [path.read_text() for path in (torc.folder / "pack").rglob("*.*") if path.is_file()]
    assert not any("abc-123" in text for text in written)
