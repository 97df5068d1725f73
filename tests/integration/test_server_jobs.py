"""The embedded server's rules of jobs, with a virtual clock: unblocking, traps and all."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.sandbox.server.settings import DialectName

PREFIX = "/torc-service/v1"
NODE = {"num_cpus": 64, "memory_gb": 64.0, "num_gpus": 0, "num_nodes": 1}
both_dialects = pytest.mark.parametrize("dialect", ["0.12", "0.35"])
# A job by name, and those that it waits for.
CHAIN = {"a": [], "b": ["a"], "c": ["b"]}
DIAMOND = {"top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}


@dataclass
class Torc:
    """A server with one workflow, and a worker that does as it is told."""

    client: httpx.AsyncClient
    workflow_id: int
    node_id: int
    run_id: int = 0

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.client.request(method, path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def status_of(self, method: str, path: str, body: Any = None) -> int:
        return (await self.client.request(method, path, json=body)).status_code

    async def workflow(self, method: str, path: str, body: Any = None) -> Any:
        return await self.ask(method, f"/workflows/{self.workflow_id}/{path}", body)

    async def add(self, graph: Mapping[str, list[str]], **fields: Any) -> None:
        """Jobs by name with the names of what they wait for."""
        ids: dict[str, int] = {}
        for name, blockers in graph.items():
            body = {"workflow_id": self.workflow_id, "name": name, "command": "true", **fields}
            body["depends_on_job_ids"] = [ids[blocker] for blocker in blockers]
            ids[name] = (await self.ask("POST", "/jobs", body))["id"]

    async def jobs(self) -> dict[str, Any]:
        items = (await self.ask("GET", f"/jobs?workflow_id={self.workflow_id}"))["items"]
        return {job["name"]: job for job in items}

    async def statuses(self) -> dict[str, str]:
        return {name: job["status"] for name, job in (await self.jobs()).items()}

    async def id_of(self, name: str) -> int:
        return int((await self.jobs())[name]["id"])

    async def set_status(self, name: str, status: str) -> int:
        job_id = await self.id_of(name)
        path = f"/jobs/{job_id}/manage_status_change/{status}/{self.run_id}"
        return await self.status_of("PUT", path)

    async def claim(self) -> list[str]:
        jobs = (await self.workflow("POST", "claim_jobs_based_on_resources/100", NODE))["jobs"]
        return [job["name"] for job in jobs]

    async def start(self, name: str) -> int:
        job_id = await self.id_of(name)
        return await self.status_of("PUT", f"/jobs/{job_id}/start_job/{self.run_id}/{self.node_id}")

    async def complete(
        self, name: str, status: str = "completed", return_code: int = 0, **fields: Any
    ) -> int:
        job = (await self.jobs())[name]
        run_id = fields.get("run_id", self.run_id)
        path = f"/jobs/{job['id']}/complete_job/{status}/{run_id}"
        return await self.status_of("POST", path, self.result(job, status, return_code) | fields)

    def result(self, job: Mapping[str, Any], status: str, return_code: int) -> dict[str, Any]:
        return {
            "job_id": job["id"],
            "workflow_id": self.workflow_id,
            "run_id": self.run_id,
            "attempt_id": job["attempt_id"],
            "compute_node_id": self.node_id,
            "return_code": return_code,
            "exec_time_minutes": 0.5,
            "completion_time": "2026-01-01T00:00:00Z",
            "status": status,
        }

    async def finish(self, **codes: int) -> None:
        """Claim everything that is ready, and end the jobs named with their return codes."""
        await self.claim()
        for name, code in codes.items():
            assert await self.start(name) == 200
            status = "failed" if code else "completed"
            assert await self.complete(name, status, code) == 200

    async def results(self, query: str = "") -> list[tuple[int, int, int]]:
        """Run, attempt and return code of the results."""
        found = await self.ask("GET", f"/results?workflow_id={self.workflow_id}{query}")
        return [(one["run_id"], one["attempt_id"], one["return_code"]) for one in found["items"]]

    async def is_complete(self) -> bool:
        return bool((await self.workflow("GET", "is_complete"))["is_complete"])


@asynccontextmanager
async def torc_at(directory: Path, dialect: DialectName = "0.35") -> AsyncIterator[Torc]:
    async with open_server(ServerSettings(directory=directory, dialect=dialect)) as app:
        transport = httpx.ASGITransport(app)
        base_url = f"http://torc{PREFIX}"
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            body: dict[str, Any] = {"name": "w", "user": "u"}
            workflow = (await client.post("/workflows", json=body)).json()
            node = {"workflow_id": workflow["id"], "hostname": "h", "pid": 1, "start_time": "now"}
            node |= {"compute_node_type": "local", **NODE}
            created = (await client.post("/compute_nodes", json=node)).json()
            yield Torc(client, workflow["id"], created["id"])


async def unblocked() -> None:
    """Past the next run of the unblocking task."""
    await anyio.sleep(30.1)


@both_dialects
async def test_jobs_wait_for_what_they_depend_on(tmp_path: Path, dialect: DialectName) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add(DIAMOND)
        assert set((await torc.statuses()).values()) == {"uninitialized"}
        await torc.workflow("POST", "initialize_jobs")
        assert await torc.statuses() == {
            "top": "ready",
            "left": "blocked",
            "right": "blocked",
            "bottom": "blocked",
        }


@pytest.mark.looptime
@both_dialects
async def test_dependants_become_ready_only_when_the_task_runs(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add(DIAMOND)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(top=0)
        await anyio.sleep(20)
        assert (await torc.statuses())["left"] == "blocked"
        await unblocked()
        assert await torc.statuses() == {
            "top": "completed",
            "left": "ready",
            "right": "ready",
            "bottom": "blocked",
        }
        await torc.finish(left=0, right=0)
        await unblocked()
        await torc.finish(bottom=0)
        assert await torc.is_complete()


@pytest.mark.looptime
@both_dialects
async def test_a_failure_cancels_what_comes_after_it(tmp_path: Path, dialect: DialectName) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add(CHAIN)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=137)
        assert not await torc.is_complete()
        await unblocked()
        assert await torc.statuses() == {"a": "failed", "b": "canceled", "c": "canceled"}
        assert await torc.is_complete()


@pytest.mark.looptime
@pytest.mark.parametrize(("dialect", "bottom"), [("0.12", "blocked"), ("0.35", "canceled")])
async def test_below_a_failed_diamond_the_older_server_leaves_a_job_blocked(
    tmp_path: Path, dialect: DialectName, bottom: str
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add(DIAMOND)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(top=1)
        await unblocked()
        assert await torc.statuses() == {
            "top": "failed",
            "left": "canceled",
            "right": "canceled",
            "bottom": bottom,
        }


@pytest.mark.looptime
@pytest.mark.parametrize(("dialect", "bottom"), [("0.12", "ready"), ("0.35", "canceled")])
async def test_below_a_failed_diamond_and_a_success_the_older_server_makes_a_job_ready(
    tmp_path: Path, dialect: DialectName, bottom: str
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        graph = {"top": [], "fine": [], "left": ["top"], "right": ["top"]}
        await torc.add(graph | {"bottom": ["left", "right", "fine"]})
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(top=1, fine=0)
        await unblocked()
        assert (await torc.statuses())["bottom"] == bottom


@pytest.mark.looptime
async def test_a_job_that_does_not_mind_a_failure_becomes_ready(tmp_path: Path) -> None:
    async with torc_at(tmp_path) as torc:
        await torc.add(CHAIN, cancel_on_blocking_job_failure=False)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=1)
        await unblocked()
        assert await torc.statuses() == {"a": "failed", "b": "ready", "c": "blocked"}


@pytest.mark.looptime
async def test_what_cannot_be_written_now_is_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with torc_at(tmp_path) as torc:
        await torc.add(CHAIN)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=0)
        with closing(sqlite3.connect(tmp_path / "torc.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await unblocked()
            assert (await torc.statuses())["b"] == "blocked"
            caplog.clear()
            assert await torc.set_status("b", "ready") == 500
            assert "locked" in caplog.text
        await unblocked()
        assert (await torc.statuses())["b"] == "ready"


async def test_a_completion_of_before_a_restart_is_dealt_with_at_once(tmp_path: Path) -> None:
    async with torc_at(tmp_path) as torc:
        await torc.add(CHAIN)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=0)
    async with torc_at(tmp_path) as torc:
        jobs = (await torc.ask("GET", "/jobs?workflow_id=1"))["items"]
        assert [job["status"] for job in jobs] == ["completed", "ready", "blocked"]


@both_dialects
@pytest.mark.parametrize("query", ["", "?only_uninitialized=true"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("uninitialized", "ready"),
        ("ready", "ready"),
        ("blocked", "blocked"),
        ("pending", "ready"),
        ("running", "ready"),
        ("pending_failed", "ready"),
        ("disabled", "disabled"),
        ("completed", "completed"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("terminated", "ready"),
    ],
)
async def test_what_initializing_makes_of_each_status(
    tmp_path: Path, dialect: DialectName, query: str, before: str, after: str
) -> None:
    """The trap: terminated, pending and running jobs become ready too."""
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"job": []})
        if await torc.set_status("job", before) == 422:
            assert await torc.complete("job", before, 1) == 200
        await torc.workflow("POST", f"initialize_jobs{query}")
        assert await torc.statuses() == {"job": after}


@both_dialects
async def test_initializing_hides_the_results_of_jobs_that_start_over(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"ends": [], "stops": []})
        assert await torc.complete("ends", "completed", 0) == 200
        assert await torc.complete("stops", "terminated", 152) == 200
        assert await torc.results() == [(0, 1, 0), (0, 1, 152)]
        await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
        assert await torc.results() == [(0, 1, 0)]
        assert await torc.results("&all_runs=true") == [(0, 1, 0), (0, 1, 152)]


@both_dialects
async def test_only_what_is_uninitialized_and_its_descendants_start_over(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add(CHAIN | {"other": []})
        for name in ("a", "b", "c", "other"):
            assert await torc.complete(name) == 200
        assert await torc.set_status("b", "uninitialized") == 200
        await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
        assert await torc.statuses() == {
            "a": "completed",
            "b": "ready",
            "c": "blocked",
            "other": "completed",
        }


@both_dialects
async def test_dependencies_follow_files_and_user_data(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        file = {"workflow_id": torc.workflow_id, "name": "f", "path": "/f"}
        data = {"workflow_id": torc.workflow_id, "name": "d"}
        files = [(await torc.ask("POST", "/files", file))["id"]]
        datas = [(await torc.ask("POST", "/user_data", data))["id"]]
        await torc.add({"makes": []}, output_file_ids=files, output_user_data_ids=datas)
        await torc.add({"reads": []}, input_file_ids=files)
        await torc.add({"uses": []}, input_user_data_ids=datas)
        await torc.workflow("POST", "initialize_jobs")
        assert await torc.statuses() == {"makes": "ready", "reads": "blocked", "uses": "blocked"}
        claimed = (await torc.workflow("POST", "claim_next_jobs"))["jobs"]
        assert [job["output_file_ids"] for job in claimed] == [files]
        assert (await torc.workflow("GET", "required_existing_files"))["files"] == []
        assert await torc.complete("makes") == 200
        assert (await torc.workflow("GET", "required_existing_files"))["files"] == files
        assert (await torc.workflow("GET", "missing_user_data"))["user_data"] == datas


@both_dialects
async def test_a_changed_command_starts_a_job_over(tmp_path: Path, dialect: DialectName) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"same": [], "changed": []})
        await torc.workflow("POST", "initialize_jobs")
        await torc.workflow("POST", "reset_job_status")
        job = (await torc.jobs())["changed"]
        body = {"workflow_id": torc.workflow_id, "name": "changed", "command": "false"}
        await torc.ask("PUT", f"/jobs/{job['id']}", body)
        await torc.set_status("changed", "ready")
        path = "process_changed_job_inputs"
        for query in ("?dry_run=true", ""):
            assert (await torc.statuses())["changed"] == "ready"
            answer = await torc.workflow("POST", path + query)
            assert answer == {"reinitialized_jobs": ["changed"]}
        assert (await torc.statuses())["changed"] == "uninitialized"


@both_dialects
async def test_a_second_result_of_an_attempt_is_an_internal_error(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"job": []})
        assert await torc.complete("job", "failed", 1) == 200
        assert await torc.complete("job", "failed", 1) == 422
        # Without a new run or attempt, a job that starts over can never be completed.
        await torc.set_status("job", "ready")
        assert await torc.complete("job") == 500
        assert (await torc.statuses())["job"] == "ready"
        assert await torc.results() == [(0, 1, 1)]


@both_dialects
async def test_a_report_of_another_run_leaves_its_result(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"job": []})
        await torc.workflow("POST", "initialize_jobs")
        assert await torc.complete("job", run_id=4) == 500
        assert await torc.statuses() == {"job": "ready"}
        assert await torc.results() == [(4, 1, 0)]


@both_dialects
async def test_a_pending_failed_job_completes_nothing(tmp_path: Path, dialect: DialectName) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"job": []})
        assert await torc.complete("job", "pending_failed", 1) == 200
        assert await torc.statuses() == {"job": "pending_failed"}
        assert not await torc.is_complete()
        assert await torc.complete("job", "running", 1) == 500


@both_dialects
async def test_failures_are_reset_with_everything_behind_them(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add(CHAIN | {"fine": [], "waits": []})
        for name, status in {"a": "failed", "b": "canceled", "fine": "completed"}.items():
            assert await torc.complete(name, status, 0) == 200
        assert await torc.complete("c") == 200
        assert await torc.complete("waits", "pending_failed", 1) == 200
        answer = await torc.workflow("POST", "reset_job_status?failed_only=true")
        assert (answer["updated_count"], answer["reset_type"]) == (3, "failed_only")
        statuses = await torc.statuses()
        assert statuses.pop("fine") == "completed"
        assert set(statuses.values()) == {"uninitialized"}


@both_dialects
async def test_a_single_reset_reaches_the_next_jobs_that_ran(
    tmp_path: Path, dialect: DialectName
) -> None:
    graph = {"a": [], "ran": ["a"], "failed": ["a"], "canceled": ["a"], "later": ["ran"]}
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add(graph)
        for name in ("a", "ran", "later"):
            assert await torc.complete(name) == 200
        assert await torc.complete("failed", "failed", 1) == 200
        assert await torc.complete("canceled", "canceled", 1) == 200
        assert await torc.set_status("a", "uninitialized") == 200
        assert await torc.statuses() == {
            "a": "uninitialized",
            "ran": "uninitialized",
            "failed": "uninitialized",
            "canceled": "canceled",
            "later": "completed",
        }


@both_dialects
async def test_a_retry_is_a_new_attempt_of_the_same_run(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"job": []})
        job_id = await torc.id_of("job")
        assert await torc.complete("job", "failed", 1) == 200
        for query, run_id, status in (
            ("", 0, 400),
            ("?max_retries=1", 0, 422),
            ("?max_retries=2", 5, 422),
            ("?max_retries=2", 0, 200),
            ("?max_retries=3", 0, 422),  # it is ready now, and did not fail
        ):
            path = f"/jobs/{job_id}/retry/{run_id}{query}"
            assert await torc.status_of("POST", path) == status
        await torc.finish(job=0)
        assert await torc.results("&all_runs=true") == [(0, 1, 1), (0, 2, 0)]
        events = (await torc.ask("GET", f"/events?workflow_id={torc.workflow_id}"))["items"]
        assert [event["data"]["event_type"] for event in events] == ["job_retried"]


@pytest.mark.parametrize(("dialect", "jobs"), [("0.12", 1), ("0.35", 0)])
async def test_a_retry_takes_a_job_from_its_node_in_the_newer_dialect(
    tmp_path: Path, dialect: DialectName, jobs: int
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"job": []})
        await torc.workflow("POST", "initialize_jobs")
        await torc.claim()
        assert await torc.start("job") == 200
        await torc.ask("POST", f"/jobs/{await torc.id_of('job')}/retry/0?max_retries=2")
        active = f"/jobs?workflow_id={torc.workflow_id}&active_compute_node_id={torc.node_id}"
        assert (await torc.ask("GET", active))["total_count"] == jobs


@both_dialects
async def test_a_job_is_started_once_it_is_claimed_and_in_its_run(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"job": []})
        await torc.workflow("POST", "initialize_jobs")
        assert await torc.start("job") == 500
        assert await torc.claim() == ["job"]
        torc.run_id = 1
        assert await torc.start("job") == 422
        torc.run_id = 0
        assert await torc.start("job") == 200
        active = f"/jobs?workflow_id={torc.workflow_id}&active_compute_node_id={torc.node_id}"
        assert (await torc.ask("GET", active))["total_count"] == 1
        assert await torc.complete("job") == 200
        assert (await torc.ask("GET", active))["total_count"] == 0


@both_dialects
async def test_jobs_are_claimed_once(tmp_path: Path, dialect: DialectName) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"a": [], "b": [], "c": []})
        await torc.workflow("POST", "initialize_jobs")
        first = (await torc.workflow("POST", "claim_next_jobs?limit=2"))["jobs"]
        assert [job["name"] for job in first] == ["a", "b"]
        assert await torc.claim() == ["c"]
        assert await torc.claim() == []


async def test_a_worker_takes_jobs_of_its_scheduler_first(tmp_path: Path) -> None:
    async with torc_at(tmp_path) as torc:
        await torc.add({"other": []}, scheduler_id=8)
        await torc.add({"own": []}, scheduler_id=7)
        await torc.workflow("POST", "initialize_jobs")
        mine = NODE | {"scheduler_config_id": 7}
        path = "claim_jobs_based_on_resources/10"
        names = []
        for query in ("", "?strict_scheduler_match=true", ""):
            jobs = (await torc.workflow("POST", path + query, mine))["jobs"]
            names.append([job["name"] for job in jobs])
        assert names == [["own"], [], ["other"]]


@both_dialects
async def test_the_order_of_claims(tmp_path: Path, dialect: DialectName) -> None:
    """By priority in the newer dialect; by the needs that the worker sorts by in the older."""
    async with torc_at(tmp_path, dialect) as torc:
        needs = {"workflow_id": torc.workflow_id, "num_cpus": 1, "num_gpus": 0, "num_nodes": 1}
        for name, runtime in (("short", "PT1M"), ("long", "PT1H")):
            body = needs | {"name": name, "memory": "1m", "runtime": runtime}
            row = await torc.ask("POST", "/resource_requirements", body)
            fields = {"resource_requirements_id": row["id"]}
            if dialect == "0.35":
                fields["priority"] = row["id"]
            await torc.add({name: []}, **fields)
        await torc.workflow("POST", "initialize_jobs")
        path = "claim_jobs_based_on_resources/1?sort_method=gpus_runtime_memory"
        assert [job["name"] for job in (await torc.workflow("POST", path, NODE))["jobs"]] == [
            "long"
        ]


@both_dialects
async def test_a_time_limit_keeps_long_jobs_out(tmp_path: Path, dialect: DialectName) -> None:
    async with torc_at(tmp_path, dialect) as torc:
        await torc.add({"minute": []})  # the default requirements ask for one minute
        await torc.workflow("POST", "initialize_jobs")
        path = "claim_jobs_based_on_resources/1"
        found = await torc.workflow("POST", path, NODE | {"time_limit": "PT59S"})
        assert found["jobs"] == []
        odd = f"/workflows/{torc.workflow_id}/{path}"
        assert await torc.status_of("POST", odd, NODE | {"time_limit": "soon"}) == 422
        found = await torc.workflow("POST", path, NODE | {"time_limit": "PT1M"})
        assert len(found["jobs"]) == 1


async def test_many_reports_at_once_stand_for_themselves(tmp_path: Path) -> None:
    async with torc_at(tmp_path) as torc:
        await torc.add({"good": [], "twice": [], "wrong": [], "known": []})
        await torc.workflow("POST", "initialize_jobs")
        await torc.claim()
        jobs = await torc.jobs()
        assert await torc.complete("twice") == 200
        assert await torc.start("known") == 200
        await torc.ask("POST", "/results", torc.result(jobs["known"], "completed", 0))
        completions = [
            {"job_id": jobs[name]["id"], "run_id": run_id, "status": "completed"}
            | {"result": torc.result(jobs[name], "completed", 0)}
            for name, run_id in (("good", 0), ("twice", 0), ("wrong", 3), ("known", 0))
        ]
        answer = await torc.workflow("POST", "batch_complete_jobs", {"completions": completions})
        assert answer["completed"] == [jobs["good"]["id"]]
        assert [error["job_id"] for error in answer["errors"]] == [
            jobs["twice"]["id"],
            jobs["wrong"]["id"],
            jobs["known"]["id"],
        ]
        assert (await torc.jobs())["known"]["compute_node_id"] == torc.node_id
