"""What failed jobs have written, read from files that may be anything."""

import asyncio
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue
from torc_watch.core.fact import ALLOCATIONS_NOT_READ, NO_OUTPUT, NOT_READ, Fact, unreadable
from torc_watch.core.job_output import output_names
from torc_watch.core.model import Job, JobResult, JobStatus
from torc_watch.engine import job_outputs
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.output_reader import OutputReader
from torc_watch.failures.rule_file import own_rules

OUTPUTS = JobOutputs(own_rules)
ERRORS, COMBINED, STDOUT = output_names(workflow_id=42, job_id=7, run_id=2, attempt=1)


def job(job_id: int = 7) -> Job:
    return Job(
        id=job_id,
        name="train",
        command="true",
        status=JobStatus.FAILED,
        requirements_id=None,
        attempt=9,
    )


def result(job_id: int = 7) -> JobResult:
    return JobResult(
        job_id=job_id,
        run_id=2,
        attempt=1,
        status=JobStatus.FAILED,
        return_code=1,
        exec_seconds=1.0,
        peak_memory=None,
        compute_node_id=None,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job_stdio").mkdir()
    return tmp_path


async def clues_in(*folders: Path) -> tuple[Clue, ...]:
    return (await OUTPUTS.clues(folders, 42, [(job(), result())])).by_job.get(7, ())


@pytest.mark.parametrize("name", [ERRORS, COMBINED, STDOUT])
async def test_any_of_its_files_has_the_clue(folder: Path, name: str) -> None:
    (folder / name).write_text("KeyError: 'x'\n")
    (clue,) = await clues_in(folder)
    assert (clue.cause, clue.file) == (Cause.CODE, str(folder / name))


async def test_what_is_no_text_has_no_clue(folder: Path) -> None:
    os.mkfifo(folder / ERRORS)
    (folder / COMBINED).symlink_to("/dev/zero")
    (folder / STDOUT).mkdir()
    assert await clues_in(folder) == ()
    assert await clues_in(folder / "none") == ()


async def test_binary_output_is_searched_line_by_line(folder: Path) -> None:
    (folder / ERRORS).write_bytes(bytes(range(256)) * 100 + b"\nKeyError: 'x'\n\xff\xfe")
    (clue,) = await clues_in(folder)
    assert clue.cause is Cause.CODE


async def test_first_folder_with_its_output_counts(folder: Path) -> None:
    (folder / ERRORS).write_text("KeyError: 'x'\n")
    (clue,) = await clues_in(folder / "none", folder)
    assert clue.file == str(folder / ERRORS)


@pytest.mark.parametrize(
    ("files", "is_empty", "has_no_errors"),
    [
        pytest.param({ERRORS: "", STDOUT: ""}, True, True, id="empty"),
        pytest.param({COMBINED: ""}, True, False, id="empty, combined"),
        pytest.param({ERRORS: " \n", STDOUT: ""}, False, True, id="blank"),
        pytest.param({ERRORS: "", STDOUT: "3 rows"}, False, True, id="only output"),
        pytest.param({ERRORS: "3 rows", STDOUT: ""}, False, False, id="only errors"),
        pytest.param({STDOUT: "3 rows"}, False, False, id="no file for errors"),
        pytest.param({}, False, False, id="no files"),
    ],
)
async def test_output_without_a_word(
    folder: Path, files: Mapping[str, str], *, is_empty: bool, has_no_errors: bool
) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    written = await OUTPUTS.clues([folder / "none", folder], 42, [(job(), result())])
    assert written.empty == ({7: folder} if is_empty else {})
    assert set(written.without_errors) == ({7} if has_no_errors else set())


async def test_output_that_cannot_be_read_is_not_empty(folder: Path) -> None:
    (folder / ERRORS).touch()
    os.mkfifo(folder / STDOUT)
    assert not (await OUTPUTS.clues([folder], 42, [(job(), result())])).empty


async def test_file_system_that_hangs_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is kept, and no other thread is begun while one hangs."""
    released = threading.Event()
    (folder / ERRORS).write_text("KeyError: 'x'\n")

    def read(path: Path) -> str | None:
        if "_j8_" in path.name:
            released.wait()
        return path.read_text()

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    outputs = JobOutputs(own_rules, OutputReader(max_seconds=0.5))
    failures = [(job(), result()), (job(8), result(8))]
    try:
        first = await outputs.clues([folder], 42, failures)
        second = await outputs.clues([folder], 42, failures)
    finally:
        released.set()
    assert (list(first.by_job), first.unread) == ([7], 1)
    assert first.silent == {8: NOT_READ}
    assert (list(second.by_job), second.unread) == ([], 2)
    assert second.silent == {7: NOT_READ, 8: NOT_READ}


async def test_outputs_of_two_workflows_are_read_at_the_same_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ERRORS).write_text("KeyError: 'x'\n")
    both = threading.Barrier(2, timeout=10)

    def read(path: Path) -> str | None:
        if path.name.endswith(".e"):
            both.wait()
        return path.read_text()

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    found = await asyncio.gather(
        *[OUTPUTS.clues([folder], 42, [(job(), result())]) for _ in range(2)]
    )
    assert [list(each.by_job) for each in found] == [[7], [7]]


async def test_no_failure_loads_no_rule(folder: Path) -> None:
    def fail() -> tuple[()]:
        raise AssertionError

    assert not (await JobOutputs(fail).clues([folder], 42, [])).by_job


async def silence_in(*folders: Path) -> Fact | None:
    return (await OUTPUTS.clues(folders, 42, [(job(), result())])).silent.get(7)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_loop, "Too many levels of symbolic links"),
        (make_device, "it is no regular file"),
        (os.mkfifo, "it is no regular file"),
        (os.mkdir, "it is no regular file"),
    ],
)
async def test_output_that_cannot_be_read_is_told(
    folder: Path, make: Callable[[Path], None], why: str
) -> None:
    make(folder / ERRORS)
    assert await silence_in(folder / "none", folder) == unreadable(str(folder / ERRORS), why)
    (folder / STDOUT).write_text("done\n")
    assert await silence_in(folder) == unreadable(str(folder / ERRORS), why)


async def test_output_that_may_not_be_read_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str | None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    assert await silence_in(folder) == unreadable(str(folder / ERRORS), "Permission denied")


async def test_no_output_is_told_from_an_empty_one(folder: Path) -> None:
    assert await silence_in(folder) == NO_OUTPUT
    assert await silence_in() == NO_OUTPUT
    (folder / ERRORS).touch()
    assert await silence_in(folder / "none", folder) is None


async def test_output_of_allocations_that_is_not_read_in_time_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    (folder / ERRORS).write_text("KeyError: 'x'\n")

    def read(path: Path) -> str | None:
        if "slurm_output" in path.name:
            released.wait()
        return path.read_text()

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    outputs = JobOutputs(own_rules, OutputReader(max_seconds=0.5))
    try:
        found = await outputs.clues([folder], 42, [(job(), result()), (job(8), result(8))], [3])
    finally:
        released.set()
    assert (list(found.by_job), found.unread) == ([7], 0)
    assert found.silent == {8: ALLOCATIONS_NOT_READ}


async def test_reading_that_is_given_up_ends_before_another_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, read_files = threading.Event(), []

    def read(path: Path) -> str | None:
        read_files.append(path.name)
        released.wait()
        return "KeyError: 'x'\n"

    monkeypatch.setattr(job_outputs, "read_excerpt", read)
    outputs = JobOutputs(own_rules, OutputReader(max_seconds=0.2))
    await outputs.clues([folder], 42, [(job(), result())])
    (thread,) = [each for each in threading.enumerate() if each.name == "job outputs"]
    released.set()
    thread.join(10)
    assert len(read_files) == 1


# The thread is in RE2 when Python begins to end, and comes back while it ends.
ENDING = """
import asyncio, os, pathlib, random, sys, time
from torc_watch.core.cause import Cause
from torc_watch.engine import job_outputs
from torc_watch.engine.output_reader import OutputReader
from torc_watch.failures.rule import Rule
from tests.unit.test_job_outputs import job, result

class Ending:
    def __del__(self, sleep=time.sleep, threads=os.listdir):
        for _ in range(400):
            if len(threads("/proc/self/task")) == 1:
                break
            sleep(0.05)

sys.ending = Ending()
rule = Rule(name="slow", cause=Cause.CODE, pattern=r".*[ab].{900}c", says="")
text = "".join(random.Random(0).choices("abxyz", k=100_000))
job_outputs.read_excerpt = lambda path: text
outputs = job_outputs.JobOutputs(lambda: [rule], OutputReader(0.5))
found = asyncio.run(outputs.clues([pathlib.Path("x")], 42, [(job(), result())]))
print(found.unread)
"""


def test_process_ends_in_order_while_a_search_goes_on() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")
