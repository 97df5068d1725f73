"""Where the output of a job is found, and how it is followed to the job's end."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.app.followed_job import FollowedJob
from torc_watch.app.job_list import jobs_of
from torc_watch.app.job_logs import LogQuery, log_files, look_up, other_folders
from torc_watch.config.settings import Settings, load_settings
from torc_watch.core.errors import InvalidInput
from torc_watch.core.listed_job import ListedJob
from torc_watch.core.model import JobStatus
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

pytestmark = pytest.mark.looptime


@dataclass
class Server:
    """Has workflow 4 with job 7, which runs on worker 3 in allocation 55."""

    folder: Path
    status: str = "running"
    run_id: int = 1
    attempt: int = 1
    results: list[tuple[int, int, str]] = field(default_factory=list)  # run, attempt, status
    config: dict[str, Any] = field(default_factory=dict)
    is_away: bool = False
    scheduler_type: str = "slurm"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            raise httpx.ConnectError("")
        path = request.url.path.removeprefix("/torc-service/v1")
        answers = self.answers()
        if path not in answers:
            return httpx.Response(404, json={"message": "not there"})
        answer = answers[path]
        if isinstance(answer, list):
            answer = {"items": answer, "total_count": len(answer), "has_more": False}
        return httpx.Response(200, json=answer)

    def answers(self) -> dict[str, Any]:
        job = {
            "id": 7,
            "workflow_id": 4,
            "name": "train",
            "command": "true",
            "status": self.status,
            "attempt_id": self.attempt,
        }
        workflow = {
            "id": 4,
            "name": "w",
            "user": "ada",
            "run_id": self.run_id,
            "submission_directory": str(self.folder / "submitted"),
            "execution_config": self.config,
        }
        allocation = {"scheduler_config_id": 1, "scheduler_type": self.scheduler_type}
        allocation |= {"status": "active"}
        worker = {"id": 3, "hostname": "n07", "pid": 1, "workflow_id": 4}
        return {
            "/version": {"version": "1.0.0"},
            "/jobs/7": job,
            "/jobs": [job],
            "/workflows/4": workflow,
            "/results": [self.result(*each) for each in self.results],
            "/compute_nodes": [worker | {"scheduler": {"scheduler_id": 9, "type": "slurm"}}],
            "/scheduled_compute_nodes": [allocation | {"id": 9, "scheduler_id": 55}],
        }

    def result(self, run_id: int, attempt: int, status: str) -> dict[str, Any]:
        return {
            "id": run_id * 10 + attempt,
            "job_id": 7,
            "run_id": run_id,
            "attempt_id": attempt,
            "status": status,
            "return_code": 1,
            "exec_time_minutes": 1.5,
            "peak_memory_bytes": 2**20,
            "compute_node_id": 3,
        }

    def end(self, status: str) -> None:
        self.status = status
        self.results.append((self.run_id, self.attempt, status))

    @asynccontextmanager
    async def client(self) -> "AsyncIterator[TorcClient]":
        connection = Connection(url="localhost:8080")
        async with Transport(connection, http=httpx.MockTransport(self)) as transport:
            yield await TorcClient.connect(transport)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORC_WATCHD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    return load_settings()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)
    return path


STDIO = "job_stdio/job_wf4_j7_r1_a1"
ALLOCATION = "slurm_output_wf4_sl55"
RUNNER = "job_runner_slurm_wf4_sl55_n0_pid9.log"
OF_OTHERS = ("slurm_output_wf4_sl56.o", "job_runner_slurm_wf4_sl5_n0_pid9.log")


@pytest.mark.parametrize(
    ("written", "query", "expected"),
    [
        pytest.param(
            [f"output/{STDIO}.e", f"output/{STDIO}.o"],
            {},
            [(f"output/{STDIO}.o", "stdout"), (f"output/{STDIO}.e", "stderr")],
            id="apart",
        ),
        pytest.param(
            [f"output/{STDIO}.e", f"output/{STDIO}.o"],
            {"errors_only": True},
            [(f"output/{STDIO}.e", "stderr")],
            id="errors only",
        ),
        pytest.param(
            [f"torc_output/{STDIO}.log"],
            {"errors_only": True},
            [(f"torc_output/{STDIO}.log", "combined")],
            id="combined, in Torc's folder",
        ),
        pytest.param(
            [f"submitted/output/{STDIO}.o"],
            {},
            [(f"submitted/output/{STDIO}.o", "stdout")],
            id="where it was submitted",
        ),
        pytest.param(
            [f"output/{STDIO}.o", f"mine/{STDIO}.o"],
            {"output_dir": Path("mine")},
            [(f"mine/{STDIO}.o", "stdout")],
            id="where the user says",
        ),
        pytest.param([f"output/{STDIO}.o"], {"attempt": 2}, [], id="another attempt"),
        pytest.param(
            [
                f"output/{STDIO}.o",
                *(f"torc_output/{name}" for name in OF_OTHERS),
                *(f"torc_output/{ALLOCATION}.{stream}" for stream in "eo"),
                f"torc_output/{RUNNER}",
            ],
            {"with_allocation": True},
            [
                (f"output/{STDIO}.o", "stdout"),
                (f"torc_output/{ALLOCATION}.o", "allocation"),
                (f"torc_output/{ALLOCATION}.e", "allocation"),
                (f"torc_output/{RUNNER}", "runner"),
            ],
            id="with its allocation",
        ),
    ],
)
@pytest.mark.parametrize("has_ended", [True, False])
async def test_files_of_a_job(
    server: Server,
    settings: Settings,
    written: list[str],
    query: dict[str, Any],
    expected: list[tuple[str, str]],
    has_ended: bool,
) -> None:
    if has_ended:
        server.end("failed")
    for name in written:
        write(server.folder / name, "text\n")
    asked = LogQuery(job_id=7, **query)
    async with server.client() as client:
        files = log_files(await look_up(client, asked, settings), asked)
    assert [(str(each.path.relative_to(server.folder)), each.kind) for each in files] == expected
    assert {each.size for each in files} <= {5}


async def test_log_of_a_lone_runner(server: Server, settings: Settings) -> None:
    server.end("failed")
    query = LogQuery(job_id=7, with_allocation=True)
    log = write(server.folder / "output/job_runner_login_wf4_r1.log", "")
    async with server.client() as client:
        found = await look_up(client, query, settings)
    assert found.allocations == (55,)
    found_without = type(found)(
        workflow=found.workflow, job=found.job, attempt=found.attempt, folders=found.folders
    )
    assert [each.path for each in log_files(found_without, query)] == [log]


async def test_log_of_the_runner_of_a_local_allocation(server: Server, settings: Settings) -> None:
    server.scheduler_type = "local"
    server.end("failed")
    query = LogQuery(job_id=7, with_allocation=True)
    log = write(server.folder / "output/job_runner_login_wf4_r1.log", "")
    async with server.client() as client:
        found = await look_up(client, query, settings)
    assert found.allocations == ()
    assert [each.path for each in log_files(found, query)] == [log]


async def test_fifo_is_said_and_another_folder_is_preferred(
    server: Server, settings: Settings
) -> None:
    query = LogQuery(job_id=7)
    fifo = server.folder / f"output/{STDIO}.o"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    async with server.client() as client:
        found = await look_up(client, query, settings)
    (file,) = log_files(found, query)
    assert (file.path, file.trouble) == (fifo, "It is no regular file")
    other = write(server.folder / f"torc_output/{STDIO}.o", "text\n")
    assert [each.path for each in log_files(found, query)] == [other]


async def test_file_that_cannot_be_opened_is_said(server: Server, settings: Settings) -> None:
    query = LogQuery(job_id=7)
    link = server.folder / f"output/{STDIO}.o"
    link.parent.mkdir(parents=True)
    link.symlink_to(link)
    async with server.client() as client:
        (file,) = log_files(await look_up(client, query, settings), query)
    assert (file.path, file.trouble) == (link, "Too many levels of symbolic links")


async def test_folders_beside_those_looked_into_are_named(
    server: Server, settings: Settings
) -> None:
    query = LogQuery(job_id=7)
    write(server.folder / "submitted/empty/job_stdio/job_wf4_j7_r2_a1.o", "")
    for name in ("submitted/mine", "other"):
        write(server.folder / f"{name}/{STDIO}.e", "")
    async with server.client() as client:
        found = await look_up(client, query, settings)
    assert log_files(found, query) == []
    assert other_folders(found, query) == [
        server.folder / "other",
        server.folder / "submitted/mine",
    ]


async def test_unknown_job_is_refused(server: Server, settings: Settings) -> None:
    async with server.client() as client:
        with pytest.raises(InvalidInput, match=r"There is no job 8 on .*torc-watchd jobs list ID"):
            await look_up(client, LogQuery(job_id=8), settings)


@dataclass
class Follower:
    """What is shown, by file, and what is said."""

    server: Server
    settings: Settings
    texts: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def show(self, path: Path, piece: bytes) -> None:
        name = str(path.relative_to(self.server.folder))
        self.texts[name] = self.texts.get(name, "") + piece.decode()

    async def follow(
        self, *steps: tuple[float, Callable[[], object]], **query: Any
    ) -> tuple[str, float]:
        """The status of the job at the end, and when that is (s); the steps are done meanwhile."""

        async def take(delay: float, step: Callable[[], object]) -> None:
            await anyio.sleep(delay)
            step()

        started = anyio.current_time()
        followed = FollowedJob(LogQuery(job_id=7, **query), 2, self.show, self.notices.append)
        async with self.server.client() as client, anyio.create_task_group() as group:
            for step in steps:
                group.start_soon(take, *step)
            found = await followed.follow(client, self.settings)
            assert followed.has_read == bool(self.texts)
        return found.job.status.value, anyio.current_time() - started


@pytest.fixture
def follower(server: Server, settings: Settings) -> Follower:
    return Follower(server, settings)


OUTPUT = f"output/{STDIO}.o"


async def test_job_is_followed_to_its_end(follower: Follower) -> None:
    server = follower.server
    path = write(server.folder / OUTPUT, "1\n2\n3\n")
    errors = server.folder / f"output/{STDIO}.e"

    def end() -> None:
        write(path, "5\n")
        server.end("failed")

    status, seconds = await follower.follow(
        (1.5, lambda: write(path, "4")), (12, lambda: write(errors, "bad\n")), (31, end)
    )
    assert status == "failed"
    assert seconds == pytest.approx(35, abs=1)
    assert follower.texts == {OUTPUT: "2\n3\n45\n", f"output/{STDIO}.e": "bad\n"}
    assert follower.notices == []


async def test_job_that_is_over_is_shown_at_once(follower: Follower) -> None:
    follower.server.end("completed")
    write(follower.server.folder / OUTPUT, "1\n")
    assert await follower.follow() == ("completed", 0)
    assert follower.texts == {OUTPUT: "1\n"}


async def test_job_to_come_and_its_next_attempt_are_followed(follower: Follower) -> None:
    server = follower.server
    server.status = "blocked"

    def start() -> None:
        server.status = "running"
        write(server.folder / OUTPUT, "first\n")

    def retry() -> None:
        write(server.folder / OUTPUT, "failed\n")
        server.attempt = 2
        write(server.folder / OUTPUT.replace("a1", "a2"), "second\n")

    assert (
        await follower.follow((8, start), (24.5, retry), (41, lambda: server.end("completed")))
    )[0] == "completed"
    assert follower.texts == {
        OUTPUT: "first\nfailed\n",
        OUTPUT.replace("a1", "a2"): "second\n",
    }
    assert follower.notices == [
        "There is no output of job 7 yet: it has not started: it is blocked."
    ]


async def test_one_attempt_ends_before_the_job(follower: Follower) -> None:
    server = follower.server
    write(server.folder / OUTPUT, "first\n")

    def retry() -> None:
        server.attempt = 2

    status, seconds = await follower.follow((21, retry), attempt=1)
    assert status == "running"
    assert seconds == pytest.approx(25, abs=1)


async def test_reading_goes_on_without_the_server(follower: Follower) -> None:
    server = follower.server
    path = write(server.folder / OUTPUT, "1\n")

    def leave() -> None:
        server.is_away = True

    def come_back() -> None:
        server.is_away = False
        server.end("completed")

    ended = await follower.follow((7, leave), (100, lambda: write(path, "2\n")), (400, come_back))
    assert ended[0] == "completed"
    assert follower.texts == {OUTPUT: "1\n2\n"}
    assert follower.notices == [
        "The server does not answer; what the job writes is shown all the same."
    ]


async def test_file_that_is_cut_is_shown_from_its_beginning(follower: Follower) -> None:
    server = follower.server
    path = write(server.folder / OUTPUT, "long\n")
    await follower.follow(
        (2.5, lambda: path.write_text("new\n")), (11, lambda: server.end("completed"))
    )
    assert follower.texts == {OUTPUT: "long\nnew\n"}
    assert follower.notices == [f"{path} was cut: it is shown from its beginning."]


@pytest.mark.parametrize(
    ("status", "results", "expected"),
    [
        pytest.param("ready", [], {}, id="to come"),
        pytest.param("ready", [(1, 1, "failed")], {}, id="to come again"),
        pytest.param("running", [(1, 1, "failed")], {"run_id": 2, "attempt": 3}, id="runs"),
        pytest.param(
            "failed",
            [(1, 1, "failed")],
            {
                "run_id": 1,
                "attempt": 1,
                "return_code": 1,
                "seconds": 90.0,
                "peak_memory": 2**20,
                "node": "n07",
            },
            id="ended",
        ),
        pytest.param("canceled", [], {}, id="never ran"),
    ],
)
async def test_listed_job(
    server: Server,
    status: str,
    results: list[tuple[int, int, str]],
    expected: dict[str, Any],
) -> None:
    server.status, server.results, server.run_id, server.attempt = status, results, 2, 3
    async with server.client() as client:
        found = await jobs_of(client, await client.get_workflow(4), ())
    assert found == [ListedJob(id=7, name="train", status=JobStatus(status), **expected)]
