"""Other resource requirements for a job, in any state, also while workers claim it."""

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.conformance.in_place_steps import CHAIN, retry, start_all

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

LARGE = {"num_cpus": 1, "num_gpus": 0, "num_nodes": 1, "memory": "9g", "runtime": "PT9H"}
BLOCKED = ["uninitialized", "blocked", "ready", "pending", "running"]
ENDED = ["completed", "failed", "terminated", "canceled", "pending_failed"]


@pytest.mark.parametrize("status", BLOCKED + ENDED)
async def test_requirements_change_nothing_else(torc: "Torc", status: str) -> None:
    await start_all(torc, {"other": [], "a": [], "b": ["a"]})
    if status in ENDED:
        assert await torc.complete("a", status, 1) == 200
        await torc.background_work_done()
    else:
        assert await torc.set_status("a", status) == 200
    before = await torc.jobs()
    row = await add_row(torc)
    await change_requirements(torc, "a", row)
    after = await torc.jobs()
    assert after["a"] == before["a"] | {"resource_requirements_id": row}
    assert (after["other"], after["b"]) == (before["other"], before["b"])


async def test_claimed_job_runs_with_the_requirements_of_its_claim(torc: "Torc") -> None:
    """A worker reads the row named in its claim; the job already shows another one."""
    await torc.add({"a": []})
    await torc.workflow("POST", "initialize_jobs")
    claimed = (await torc.workflow("POST", "claim_jobs_based_on_resources/9", NODE))["jobs"]
    row = await add_row(torc)
    await change_requirements(torc, "a", row)
    assert await torc.start("a") == 200
    job = (await torc.jobs())["a"]
    assert (job["status"], job["resource_requirements_id"]) == ("running", row)
    assert claimed[0]["resource_requirements_id"] != row


async def test_claims_follow_the_new_requirements(torc: "Torc") -> None:
    await torc.add({"a": []})
    await torc.workflow("POST", "initialize_jobs")
    await change_requirements(torc, "a", await add_row(torc, memory="65g"))
    assert await torc.claim() == []
    await change_requirements(torc, "a", await add_row(torc))
    assert await torc.claim() == ["a"]


async def test_changes_do_not_disturb_claims(torc: "Torc") -> None:
    """No job is claimed twice, and none loses the status or the row that it got."""
    names = [f"job{number}" for number in range(24)]
    await torc.add({name: [] for name in names})
    await torc.workflow("POST", "initialize_jobs")
    row = await add_row(torc, memory="2m")
    claimed: list[str] = []

    async def work() -> None:
        while len(claimed) < len(names):
            found = await torc.workflow("POST", "claim_jobs_based_on_resources/1", NODE)
            for job in found["jobs"]:
                claimed.append(job["name"])
                assert await torc.start(job["name"]) == 200

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(work)
        for name in reversed(names):
            tasks.start_soon(change_requirements, torc, name, row)
    assert sorted(claimed) == sorted(names)
    jobs = await torc.jobs()
    assert {jobs[name]["status"] for name in names} == {"running"}
    assert {jobs[name]["resource_requirements_id"] for name in names} == {row}


async def test_completed_job_with_other_requirements_does_not_restart(torc: "Torc") -> None:
    await start_all(torc, CHAIN)
    assert await torc.complete("a") == 200
    await torc.background_work_done()
    for name in ("a", "b"):
        await change_requirements(torc, name, await add_row(torc))
    assert await torc.complete("other") == 200
    await torc.claim()
    await torc.workflow("POST", "reset_job_status?failed_only=true")
    await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
    statuses = await torc.statuses()
    assert (statuses["a"], statuses["other"], statuses["c"]) == (
        "completed",
        "completed",
        "blocked",
    )


@pytest.mark.parametrize("server", ["torc-0.12.2", "torc-1.0.0"], indirect=True)
async def test_other_requirements_are_no_changed_input(torc: "Torc") -> None:
    await start_all(torc, CHAIN)
    assert await torc.complete("a") == 200
    await change_requirements(torc, "a", await add_row(torc))
    changed = await torc.workflow("POST", "process_changed_job_inputs?dry_run=true")
    assert changed["reinitialized_jobs"] == []


async def test_failed_job_gets_its_requirements_before_it_is_ready(torc: "Torc") -> None:
    await start_all(torc, CHAIN)
    assert await torc.complete("a", "failed", 137) == 200
    row = await add_row(torc)
    await change_requirements(torc, "a", row)
    assert await retry(torc, "a") == 200
    found = await torc.workflow("POST", "claim_jobs_based_on_resources/9", NODE)
    assert [job["resource_requirements_id"] for job in found["jobs"]] == [row]


NODE: dict[str, Any] = {"num_cpus": 64, "memory_gb": 64.0, "num_gpus": 0, "num_nodes": 1}


async def add_row(torc: "Torc", **fields: Any) -> int:
    body = {"workflow_id": torc.workflow_id, "name": "large", **LARGE, **fields}
    return int((await torc.ask("POST", "/resource_requirements", body))["id"])


async def change_requirements(torc: "Torc", name: str, row: int) -> None:
    job = (await torc.jobs())[name]
    body = {"workflow_id": torc.workflow_id, "name": name, "command": job["command"]}
    await torc.ask("PUT", f"/jobs/{job['id']}", body | {"resource_requirements_id": row})
