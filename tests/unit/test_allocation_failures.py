"""What is told of a local allocation whose worker ended with an error."""

import json
from pathlib import Path

import pytest

from torc_watch.schedulers.local.allocation_folder import AllocationFolder
from torc_watch.schedulers.local.local_scheduler import LocalAllocations
from torc_watch.torc.transport import Connection

OURS = '{"event": "torc_ended"}'


@pytest.fixture
def local(tmp_path: Path) -> LocalAllocations:
    return LocalAllocations(tmp_path, Connection(url="http://127.0.0.1:1"))


@pytest.fixture
def folder(tmp_path: Path) -> AllocationFolder:
    """Of an allocation that has ended."""
    folder = AllocationFolder(tmp_path.resolve() / "3")
    folder.path.mkdir()
    folder.log.write_text("Wrong version\n")
    return folder


@pytest.mark.parametrize(
    ("exit_code", "has_failed"),
    [(0, False), (1, True), (126, True), (128 + 15, False), (None, False)],
)
async def test_which_ends_are_failures(
    local: LocalAllocations, folder: AllocationFolder, exit_code: int | None, has_failed: bool
) -> None:
    """An order to stop is none, and neither is a kill."""
    folder.record_end(exit_code)
    assert (await local.failure(3) is not None) is has_failed


@pytest.mark.parametrize("end", [None, "", "{"])
async def test_nobody_knows_how_it_ended(
    local: LocalAllocations, folder: AllocationFolder, end: str | None
) -> None:
    if end is not None:
        (folder.path / "end.json").write_text(end)
    assert await local.failure(3) is None


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (["one", "two", "three", " four ", "", OURS], ("two", "three", "four")),
        ([OURS, "Error: wrong version", OURS], ("Error: wrong version",)),
        (['{"event": "worker_gave_up"}'], ('{"event": "worker_gave_up"}',)),
        ([], ()),
    ],
)
async def test_its_last_words(
    local: LocalAllocations, folder: AllocationFolder, log: list[str], words: tuple[str, ...]
) -> None:
    """Those of Torc's runner, where it said something."""
    folder.log.write_text("\n".join(log))
    (folder.path / "end.json").write_text(json.dumps({"exit_code": 1}))

    failure = await local.failure(3)

    assert failure is not None
    assert (failure.scheduler_id, failure.log) == (3, str(folder.log))
    assert failure.last_words == words


async def test_a_log_that_is_not_there(local: LocalAllocations, folder: AllocationFolder) -> None:
    folder.record_end(1)
    folder.log.unlink()
    failure = await local.failure(3)
    assert failure is not None
    assert failure.last_words == ()
