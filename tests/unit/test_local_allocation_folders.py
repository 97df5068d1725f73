"""The cause and the log lines of a local allocation that ended."""

import json
from pathlib import Path

import pytest

from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    EndCause,
)
from torc_watch.core.units import GIB
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.local.allocation_folder import (
    AllocationFolder,
    AllocationRecord,
    this_host,
)
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.torc.transport import Connection

OURS = '{"event": "torc_ended"}'


@pytest.fixture
def local(tmp_path: Path) -> LocalScheduler:
    return LocalScheduler(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> AllocationFolder:
    """The folder of an allocation that has ended."""
    folder = AllocationFolder(tmp_path.resolve() / "3")
    folder.path.mkdir()
    folder.write_record(
        AllocationRecord(
            hostname=this_host(),
            spec=AllocationSpec(token="t", num_cpus=1, memory=GIB),  # noqa: S106 - no password
            work=WorkerAssignment(
                connection=Connection(url="http://127.0.0.1:1"),
                workflow_id=1,
                scheduler_config_id=1,
                output_dir=tmp_path,
            ),
            poll_interval=1,
        )
    )
    folder.log.write_text("Wrong version\n")
    return folder


async def status(local: LocalScheduler) -> AllocationStatus:
    answer = (await local.statuses([3]))[3]
    assert answer.state is AllocationState.GONE
    return answer


@pytest.mark.parametrize(
    ("exit_code", "cause"),
    [
        (0, None),
        (1, EndCause.FAILED),
        (126, EndCause.FAILED),
        (128, None),
        (128 + 9, None),
        (128 + 15, EndCause.CANCELED),
        (None, None),
    ],
)
async def test_cause_of_an_ended_allocation(
    local: LocalScheduler,
    folder: AllocationFolder,
    exit_code: int | None,
    cause: EndCause | None,
) -> None:
    """Signals to stop and to kill are no failures."""
    folder.record_end(exit_code)
    ended = await status(local)
    assert ended.cause is cause
    assert ended.has_failed is (cause is EndCause.FAILED)
    assert bool(ended.detail) is ended.has_failed


@pytest.mark.parametrize("end", [None, "", "{"])
async def test_unrecorded_end_has_no_cause(
    local: LocalScheduler, folder: AllocationFolder, end: str | None
) -> None:
    if end is not None:
        (folder.path / "end.json").write_text(end)
    assert (await status(local)).cause is None


@pytest.mark.parametrize(
    ("log", "last"),
    [
        (["one", "two", "three", " four ", "", OURS], ("two", "three", "four")),
        ([OURS, "Error: wrong version", OURS], ("Error: wrong version",)),
        (['{"event": "worker_gave_up"}'], ('{"event": "worker_gave_up"}',)),
    ],
)
async def test_last_lines_of_the_log_are_shown(
    local: LocalScheduler, folder: AllocationFolder, log: list[str], last: tuple[str, ...]
) -> None:
    """Lines of Torc's runner are shown instead of our own, if there are any."""
    folder.log.write_text("\n".join(log))
    (folder.path / "end.json").write_text(json.dumps({"exit_code": 1}))

    phrase, *lines = (await status(local)).detail.splitlines()

    assert phrase == f"its log {folder.log} ends with:"
    assert tuple(lines) == last


# As an earlier version wrote it. During an upgrade, both versions use the same folder.
EARLIER_RECORD = """{
  "hostname": "n1",
  "request": {
    "token": "torc-wf7-0123456789ab.1",
    "workflow_id": 7,
    "scheduler_config_id": 3,
    "num_cpus": 2,
    "memory": 1073741824,
    "output_dir": "/scratch/out"
  },
  "connection": {
    "url": "http://127.0.0.1:8080/torc-service/v1",
    "username": "ada",
    "ca_file": "/etc/ca.pem",
    "verify_tls": true,
    "timeout": 30.0
  },
  "poll_interval": 1.0,
  "torc_program": "/opt/bin/torc"
}"""


def test_format_of_records_does_not_change(folder: AllocationFolder) -> None:
    (folder.path / "order.json").write_text(EARLIER_RECORD)
    record = folder.read_record()
    assert record.spec == AllocationSpec(
        token="torc-wf7-0123456789ab.1",  # noqa: S106 - no password
        num_cpus=2,
        memory=GIB,
    )
    assert (record.hostname, record.work.workflow_id) == ("n1", 7)
    assert record.work.output_dir == Path("/scratch/out")
    assert record.work.connection.ca_file == Path("/etc/ca.pem")
    assert record.torc_program == Path("/opt/bin/torc")
    folder.write_record(record)
    assert (folder.path / "order.json").read_text() == EARLIER_RECORD


@pytest.mark.parametrize("exists", [True, False])
async def test_empty_or_missing_log_is_reported(
    local: LocalScheduler, folder: AllocationFolder, exists: bool
) -> None:
    folder.record_end(1)
    folder.log.unlink()
    if exists:
        folder.log.touch()
    assert (await status(local)).detail == f"its log {folder.log} is empty"
