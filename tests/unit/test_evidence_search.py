"""Evidence beyond the output of a job: from Slurm's steps, its allocation and its node.

A fake server has the rows of one workflow; everything above the HTTP transport is the product.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.conftest import OUTPUTS, SimulatedScheduler
from torc_watch.core.allocation import EndCause, StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.fact import Confidence, Source
from torc_watch.core.findings import Finding
from torc_watch.core.model import Allocation
from torc_watch.core.units import MIB
from torc_watch.engine import step_search
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.this_machine import ThisMachine
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import API_PATH, Connection, Transport

NUMBER = 7  # of the allocation
OUT_OF_MEMORY = StepEnd(
    cause=EndCause.OUT_OF_MEMORY,
    return_code=0,
    id="7.3",
    nodes=("c3",),
    detail="step 7.3 OUT_OF_MEMORY 0:125",
)
BY_HAND = StepEnd(
    cause=EndCause.CANCELED,
    return_code=137,
    id="7.4",
    nodes=("c3",),
    detail="step 7.4 CANCELLED 0:9",
)
BATCH = StepEnd(cause=None, return_code=0, id="7.batch", nodes=("c2",))
IN_BATCH = "/slurm/uid_1000/job_7/step_batch"
BATCH_LINE = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some were killed."


class Server:
    """Answers with rows about workflow 1, whose jobs failed with these return codes.

    So many others ``completed`` on another node.
    """

    def __init__(self, codes: Mapping[str, int], *, mode: str, completed: int = 0) -> None:
        jobs = list(enumerate(codes.items(), start=1))
        self.asked: list[str] = []
        self._rows: dict[str, list[dict[str, Any]]] = {
            "/jobs": [_job(job_id, name) for job_id, (name, _) in jobs],
            "/results": [_result(job_id, code) for job_id, (_, code) in jobs],
            "/resource_requirements": [
                {"id": 1, "name": "small", "memory": "64m", "runtime": "PT10M"}
            ],
            "/compute_nodes": [_NODE, _OTHER_NODE],
            "/scheduled_compute_nodes": [_ALLOCATION],
            "/slurm_stats": [_USAGE],
        }
        for job_id in range(100, 100 + completed):
            ended = {"status": "completed"}
            self._rows["/jobs"].append(_job(job_id, f"train_{job_id}") | ended)
            self._rows["/results"].append(_result(job_id, 0) | ended | {"compute_node_id": 5})
        self._single = {
            "/version": {"version": "1.0.0", "api_version": "0.23.0", "git_hash": "unknown"},
            "/workflows/1": _WORKFLOW | {"execution_config": {"mode": mode}},
            "/workflows/1/status": {"jobs_by_status": {"failed": len(codes)}},
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(API_PATH)
        self.asked.append(path)
        if path in self._single:
            return httpx.Response(200, json=self._single[path])
        items = [
            row
            for row in self._rows.get(path, [])
            if request.url.params.get("status") in (None, row.get("status"))
        ]
        page = {"items": items, "total_count": len(items), "has_more": False}
        return httpx.Response(200, json=page)


_WORKFLOW = {"id": 1, "name": "w", "user": "ann", "run_id": 1}
_ALLOCATION = {
    "id": 6,
    "workflow_id": 1,
    "scheduler_id": NUMBER,
    "scheduler_config_id": 1,
    "scheduler_type": "slurm",
    "status": "complete",
}
_NODE = {
    "id": 4,
    "workflow_id": 1,
    "hostname": "login.site.org",
    "pid": 1,
    "scheduler": {"scheduler_id": 6},
    "duration_seconds": 100,
}

_USAGE = {
    "id": 1,
    "job_id": 1,
    "run_id": 1,
    "attempt_id": 1,
    "max_rss_bytes": 80 * MIB,
    "node_list": "c9",
}
_OTHER_NODE = _NODE | {"id": 5, "hostname": "n2.site.org", "scheduler": None}


def _job(job_id: int, name: str) -> dict[str, Any]:
    return {
        "id": job_id,
        "workflow_id": 1,
        "name": name,
        "command": "python3 train.py",
        "status": "failed",
        "resource_requirements_id": 1,
    }


def _result(job_id: int, return_code: int) -> dict[str, Any]:
    return {
        "id": job_id,
        "job_id": job_id,
        "run_id": 1,
        "status": "failed",
        "return_code": return_code,
        "exec_time_minutes": 1,
        "peak_memory_bytes": MIB,
        "compute_node_id": 4,
    }


class SilentScheduler(SimulatedScheduler):
    async def steps(self, _numbers: Any) -> dict[int, dict[str, StepEnd]]:
        raise SchedulerUnreachable("sacct did not answer within 60 seconds.")


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[TorcClient]:
    http = httpx.MockTransport(server)
    async with Transport(Connection(url="http://test"), http=http) as transport:
        yield await TorcClient.connect(transport)


async def diagnosed(
    codes: Mapping[str, int],
    folder: Path,
    *,
    mode: str = "slurm",
    steps: Mapping[str, StepEnd] | None = None,
) -> dict[str, Finding]:
    """By the job's name; without ``steps`` Slurm does not answer."""
    async with connected(Server(codes, mode=mode)) as client:
        kind = SilentScheduler if steps is None else SimulatedScheduler
        scheduler = kind(client, "slurm")
        scheduler.ends_of_steps = {NUMBER: dict(steps or {})}
        cluster = Cluster.of(scheduler, machine=ThisMachine())
        search = FailureSearch(client, cluster, OUTPUTS)
        workflow, counts = await client.get_workflow(1), await client.count_jobs(1)
        findings = await search.failures(workflow, counts, folder)
    return {finding.job.name: finding for finding in findings}


STEPS = {"wf1_j1_r1_a1": OUT_OF_MEMORY, "wf1_j2_r1_a1": BY_HAND, "batch": BATCH}


async def test_steps_tell_a_kill_by_hand_from_lack_of_memory(tmp_path: Path) -> None:
    found = await diagnosed({"hog": 137, "by-hand": 137}, tmp_path, steps=STEPS)
    assert {name: each.cause for name, each in found.items()} == {
        "hog": Cause.OOM,
        "by-hand": Cause.UNKNOWN,
    }
    assert {each.node for each in found.values()} == {"c3"}
    assert found["hog"].facts[0].text == "step 7.3 OUT_OF_MEMORY 0:125"


async def test_less_is_said_while_slurm_is_silent(tmp_path: Path) -> None:
    found = await diagnosed({"other": 3, "hog": 137}, tmp_path)
    hog = found["hog"]
    assert (hog.cause, hog.confidence) == (Cause.OOM, Confidence.GUESS)
    assert hog.node == "login.site.org"


async def test_server_keeps_what_slurm_measured(tmp_path: Path) -> None:
    found = await diagnosed({"hog": 1, "other": 1}, tmp_path)
    assert {name: (each.cause, each.node) for name, each in found.items()} == {
        "hog": (Cause.OOM, "c9"),
        "other": (Cause.UNKNOWN, "login.site.org"),
    }
    assert "peak memory 80.0m above its 64m" in found["hog"].reason


async def test_node_of_a_job_that_is_no_step(tmp_path: Path) -> None:
    found = await diagnosed({"hog": 1}, tmp_path, mode="direct", steps={"batch": BATCH})
    assert found["hog"].node == "c2"


def write_kernel_log(folder: Path, *pids: int, number: int = NUMBER) -> Path:
    path = folder / f"dmesg_slurm_wf1_sl{number}_n0_pid99.log"
    path.write_text(
        "".join(
            f"[1.0] oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg={IN_BATCH}/task_0,task=x\n"
            f"[1.0] Memory cgroup out of memory: Killed process {pid} (python3) total-vm:4kB\n"
            for pid in pids
        )
    )
    return path


async def test_kernel_proves_lack_of_memory(tmp_path: Path) -> None:
    path = write_kernel_log(tmp_path, 4711)
    found = await diagnosed(
        {"hog": 137, "other": 3}, tmp_path, mode="direct", steps={"batch": BATCH}
    )
    hog = found["hog"]
    assert (hog.cause, hog.confidence) == (Cause.OOM, Confidence.PROVEN)
    (fact,) = [fact for fact in hog.facts if fact.source is Source.KERNEL]
    assert fact.file == str(path)
    assert "Killed process 4711 (python3)" in fact.text
    assert found["other"].cause is Cause.UNKNOWN


async def test_kernel_log_of_another_allocation(tmp_path: Path) -> None:
    write_kernel_log(tmp_path, 4711, number=77)
    found = await diagnosed({"hog": 137}, tmp_path, mode="direct", steps={"batch": BATCH})
    assert found["hog"].confidence is Confidence.GUESS


async def test_kernel_log_has_what_others_did_on_the_node(tmp_path: Path) -> None:
    path = write_kernel_log(tmp_path, 4711)
    path.write_text(path.read_text().replace("/job_7/", "/job_8/"))
    found = await diagnosed({"hog": 137}, tmp_path, mode="direct", steps={"batch": BATCH})
    assert found["hog"].confidence is Confidence.GUESS


async def test_shell_names_the_process_that_the_kernel_killed(tmp_path: Path) -> None:
    write_kernel_log(tmp_path, 4711)
    (tmp_path / "job_stdio").mkdir()
    (tmp_path / "job_stdio/job_wf1_j1_r1_a1.e").write_text(
        "run.sh: line 3: 4711 Killed                  python3 big.py\n"
    )
    codes = {"hog": 1, "by-hand": 137}
    found = await diagnosed(codes, tmp_path, mode="direct", steps={"batch": BATCH})
    assert (found["hog"].cause, found["hog"].confidence) == (Cause.OOM, Confidence.PROVEN)
    assert not [fact for fact in found["by-hand"].facts if fact.source is Source.KERNEL]


async def test_shared_step_is_no_proof(tmp_path: Path) -> None:
    (tmp_path / "slurm_output_wf1_sl7.e").write_text(f"{BATCH_LINE}\n")
    codes = {"killed": 137, "other": 3}
    found = await diagnosed(codes, tmp_path, mode="direct", steps={"batch": BATCH})
    assert {name: (each.cause, each.confidence) for name, each in found.items()} == {
        "killed": (Cause.OOM, Confidence.LIKELY),
        "other": (Cause.UNKNOWN, Confidence.GUESS),
    }
    assert Source.SLURMSTEPD in {fact.source for fact in found["other"].facts}


@pytest.mark.parametrize(("number", "cause"), [(7, Cause.OOM), (8, Cause.UNKNOWN)])
async def test_log_of_another_allocation_in_the_output_of_a_job(
    tmp_path: Path, number: int, cause: Cause
) -> None:
    (tmp_path / "job_stdio").mkdir()
    line = BATCH_LINE.replace("7.batch", f"{number}.2")
    (tmp_path / "job_stdio/job_wf1_j2_r1_a1.e").write_text(f"{line}\n")
    found = await diagnosed({"hog": 3, "prints": 3}, tmp_path, mode="direct", steps={})
    assert found["prints"].cause is cause


async def test_step_of_the_worker_says_nothing_of_other_steps(tmp_path: Path) -> None:
    (tmp_path / "slurm_output_wf1_sl7.e").write_text(f"{BATCH_LINE}\n")
    found = await diagnosed({"hog": 137, "killed": 137}, tmp_path, steps=STEPS)
    assert Source.SLURMSTEPD not in {fact.source for fact in found["killed"].facts}


async def test_output_of_the_allocation_names_the_step_of_a_job(tmp_path: Path) -> None:
    line = BATCH_LINE.replace("7.batch", "7.4")
    (tmp_path / "slurm_output_wf1_sl7.e").write_text(f"{line}\n")
    found = await diagnosed({"hog": 137, "killed": 137}, tmp_path, steps=STEPS)
    assert (found["killed"].cause, found["killed"].confidence) == (Cause.OOM, Confidence.PROVEN)
    assert found["killed"].clue is not None
    assert found["killed"].clue.file == str(tmp_path / "slurm_output_wf1_sl7.e")


@pytest.mark.parametrize("code", [3, 137])
async def test_workflow_without_slurm_asks_for_no_allocation(tmp_path: Path, code: int) -> None:
    server = Server({"a": code}, mode="direct")
    async with connected(server) as client:
        cluster = Cluster.of(SimulatedScheduler(client, "local"), machine=ThisMachine())
        search = FailureSearch(client, cluster, OUTPUTS)
        workflow, counts = await client.get_workflow(1), await client.count_jobs(1)
        (finding,) = await search.failures(workflow, counts, tmp_path)
    assert finding.node == "login.site.org"
    assert server.asked.count("/compute_nodes") == 1


@pytest.mark.parametrize(
    ("completed", "cause"), [(0, Cause.ENVIRONMENT), (1, Cause.NODE)], ids=["none", "one"]
)
async def test_completed_jobs_elsewhere_blame_the_node(
    tmp_path: Path, completed: int, cause: Cause
) -> None:
    server = Server({"train_1": 127, "train_2": 127}, mode="direct", completed=completed)
    async with connected(server) as client:
        cluster = Cluster.of(SimulatedScheduler(client, "slurm"), machine=ThisMachine())
        search = FailureSearch(client, cluster, OUTPUTS)
        workflow, counts = await client.get_workflow(1), await client.count_jobs(1)
        found = await search.failures(workflow, counts, tmp_path)
    assert {finding.cause for finding in found} == {cause}


class HangingScheduler(SimulatedScheduler):
    async def steps(self, numbers: Any) -> dict[int, dict[str, StepEnd]]:
        self.asked = set(numbers)
        await anyio.sleep_forever()
        raise AssertionError


@pytest.mark.looptime
async def test_steps_are_asked_for_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_search, "_MAX_ALLOCATIONS", 2)
    ended = [
        Allocation(
            id=number,
            scheduler_id=10 + number,
            scheduler_config_id=1,
            scheduler_type="slurm",
            status="complete",
        )
        for number in (3, 1, 2)
    ]
    async with connected(Server({"hog": 1}, mode="slurm")) as client:
        scheduler = HangingScheduler(client, "slurm")
        cluster = Cluster.of(scheduler, machine=ThisMachine())
        assert await step_search.find_steps(cluster, ended) == {}
    assert scheduler.asked == {12, 13}
    assert anyio.current_time() < 20
