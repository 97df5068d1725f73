"""What the embedded server says of a workflow as a whole, and of how its things belong together."""

from typing import TYPE_CHECKING, Any

import pytest

from torc_watch.sandbox.server.settings import DialectName

if TYPE_CHECKING:
    from tests.integration.conftest import OpenTorc

both_dialects = pytest.mark.parametrize("dialect", ["0.12", "0.35"])
CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


async def test_the_summary_of_a_workflow(open_torc: "OpenTorc") -> None:
    async with open_torc() as torc:
        await torc.add(CHAIN | {"other": []})
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(other=1)
        summary = await torc.workflow("GET", "status")
        counts = {name: jobs for name, jobs in summary["jobs_by_status"].items() if jobs}
        assert counts == {"blocked": 2, "pending": 1, "failed": 1}
        assert (summary["total_jobs"], summary["is_complete"]) == (4, False)
        assert summary["total_exec_time_minutes"] == 0.5
        await torc.workflow("PUT", "cancel")
        summary = await torc.workflow("GET", "status")
        assert (summary["is_complete"], summary["is_canceled"]) == (True, True)
        assert await torc.is_complete()


@both_dialects
async def test_who_waits_for_whom(open_torc: "OpenTorc", dialect: DialectName) -> None:
    async with open_torc(dialect) as torc:
        await torc.add(CHAIN)
        edges = await torc.workflow("GET", "job_dependencies?limit=1&reverse_sort=true")
        assert edges["total_count"] == 2
        assert edges["items"] == [
            {
                "job_id": await torc.id_of("c"),
                "job_name": "c",
                "depends_on_job_id": await torc.id_of("b"),
                "depends_on_job_name": "b",
                "workflow_id": torc.workflow_id,
            }
        ]
        listed = f"/jobs?workflow_id={torc.workflow_id}&upstream_job_id={await torc.id_of('a')}"
        job = (await torc.ask("GET", listed))["items"][0]
        assert (job["name"], "depends_on_job_ids" in job) == ("b", False)
        job = (await torc.ask("GET", f"{listed}&include_relationships=true"))["items"][0]
        assert job["depends_on_job_ids"] == [await torc.id_of("a")]


async def test_what_ready_jobs_need_together(open_torc: "OpenTorc") -> None:
    async with open_torc() as torc:
        needs = {"workflow_id": torc.workflow_id, "name": "r", "memory": "512m", "num_cpus": 2}
        for runtime, scheduler_id in (("PT1H", 7), ("PT90M", 8)):
            row = await torc.ask("POST", "/resource_requirements", needs | {"runtime": runtime})
            fields = {"resource_requirements_id": row["id"], "scheduler_id": scheduler_id}
            await torc.add({f"j{scheduler_id}": []}, **fields)
        await torc.workflow("POST", "initialize_jobs")
        together: dict[str, Any] = {"num_jobs": 2, "num_cpus": 4, "num_gpus": 0, "memory_gb": 1.0}
        together |= {"max_num_nodes": 1, "max_runtime": "PT1H30M"}
        assert await torc.workflow("GET", "ready_job_requirements") == together
        one = await torc.workflow("GET", "ready_job_requirements?scheduler_config_id=7")
        assert (one["num_jobs"], one["max_runtime"]) == (1, "PT1H")


async def test_running_jobs_and_where_they_run(open_torc: "OpenTorc") -> None:
    async with open_torc() as torc:
        allocation = {"workflow_id": torc.workflow_id, "scheduler_id": 4711, "status": "active"}
        allocation |= {"scheduler_config_id": 1, "scheduler_type": "slurm"}
        created = await torc.ask("POST", "/scheduled_compute_nodes", allocation)
        node = await torc.ask("GET", f"/compute_nodes/{torc.node_id}")
        node["scheduler"] = {"scheduler_id": created["id"]}
        await torc.ask("PUT", f"/compute_nodes/{torc.node_id}", node)
        await torc.add({"job": [], "waits": []})
        await torc.workflow("POST", "initialize_jobs")
        await torc.claim()
        assert await torc.start("job") == 200
        (running,) = (await torc.workflow("GET", "running_jobs"))["items"]
        assert running.pop("start_time").endswith("Z")
        assert running == {
            "job_id": await torc.id_of("job"),
            "job_name": "job",
            "compute_node_name": "h",
            "scheduler_type": "local",
            "scheduler_job_id": "4711",
        }


@both_dialects
async def test_user_data_of_jobs(open_torc: "OpenTorc", dialect: DialectName) -> None:
    async with open_torc(dialect) as torc:
        await torc.add({"makes": [], "uses": []})
        makes, uses = await torc.id_of("makes"), await torc.id_of("uses")
        query = f"?producer_job_id={makes}&consumer_job_id={uses}"
        body = {"workflow_id": torc.workflow_id, "name": "d", "is_ephemeral": False}
        data = await torc.ask("POST", f"/user_data{query}", body)
        listed = f"/user_data?workflow_id={torc.workflow_id}"
        for parameter, job_id, found in (
            ("producer_job_id", makes, [data]),
            ("producer_job_id", uses, []),
            ("consumer_job_id", uses, [data]),
            ("consumer_job_id", makes, []),
        ):
            assert (await torc.ask("GET", f"{listed}&{parameter}={job_id}"))["items"] == found
        await torc.workflow("POST", "initialize_jobs")
        assert await torc.statuses() == {"makes": "ready", "uses": "blocked"}


@both_dialects
async def test_failure_handlers_of_a_workflow(open_torc: "OpenTorc", dialect: DialectName) -> None:
    async with open_torc(dialect) as torc:
        body = {"workflow_id": torc.workflow_id, "name": "h", "rules": "[]"}
        handler = await torc.ask("POST", "/failure_handlers", body)
        assert (await torc.workflow("GET", "failure_handlers"))["items"] == [handler]
        await torc.add({"job": []}, failure_handler_id=handler["id"])
        await torc.ask("DELETE", f"/failure_handlers/{handler['id']}")
        assert "failure_handler_id" not in (await torc.jobs())["job"]


@both_dialects
async def test_events_are_dated_by_the_server_and_asked_for_from_then_on(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        body: dict[str, Any] = {"workflow_id": torc.workflow_id, "timestamp": 1, "data": {"n": 1}}
        event = await torc.ask("POST", "/events", body)
        assert event["timestamp"] > 1
        listed = f"/events?workflow_id={torc.workflow_id}&after_timestamp="
        for after, found in ((event["timestamp"] - 1, [event]), (event["timestamp"], [])):
            assert (await torc.ask("GET", f"{listed}{after}"))["items"] == found


@pytest.mark.parametrize(("dialect", "changed"), [("0.12", False), ("0.35", True)])
async def test_what_may_change_of_a_workflow(
    open_torc: "OpenTorc", dialect: DialectName, changed: bool
) -> None:
    """The older server forgets what it was told of Slurm and of monitoring, and says so nowhere."""
    async with open_torc(dialect) as torc:
        path = f"/workflows/{torc.workflow_id}"
        before = await torc.ask("GET", path)
        defaults: object = {"qos": "high"} if dialect == "0.35" else '{"qos": "high"}'
        body = before | {"name": "other", "timestamp": "never", "slurm_defaults": defaults}
        after = await torc.ask("PUT", path, body)
        assert (after["name"], after["timestamp"]) == ("other", before["timestamp"])
        assert ("slurm_defaults" in after) == changed


@both_dialects
async def test_an_update_of_a_job_replaces_what_it_waits_for_and_keeps_its_attempt(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add(CHAIN)
        a, c = await torc.id_of("a"), await torc.id_of("c")
        body = {"workflow_id": torc.workflow_id, "name": "c", "command": "true", "attempt_id": 9}
        job = await torc.ask("PUT", f"/jobs/{c}", body | {"depends_on_job_ids": [a]})
        assert (job["depends_on_job_ids"], job["attempt_id"]) == ([a], 1)
