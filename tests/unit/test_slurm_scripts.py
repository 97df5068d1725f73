"""Scripts of allocations that cannot be written."""

import os
from errno import EACCES, EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import pytest

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.core.units import GIB
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.slurm.job_script import RunnerSettings
from torc_watch.schedulers.slurm.slurm_scheduler import SlurmScheduler
from torc_watch.torc.transport import Connection

SPEC = AllocationSpec(token="tw42-a-1", num_cpus=1, memory=GIB)  # noqa: S106


@pytest.mark.parametrize(
    ("number", "may_pass", "said"),
    [
        pytest.param(
            ENOSPC, True, "No space left on device. Free some space there.", id="no space"
        ),
        pytest.param(EDQUOT, True, "Disk quota exceeded. Free some space there.", id="quota"),
        pytest.param(EACCES, False, "Permission denied. Check that you own it", id="denied"),
    ],
)
async def test_only_lack_of_room_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str, *, may_pass: bool
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    work = WorkerAssignment(
        connection=Connection(url="http://torc"),
        workflow_id=42,
        scheduler_config_id=1,
        output_dir=tmp_path,
    )
    runner = RunnerSettings(command=("runner",), has_claim_pause=True)
    scheduler = SlurmScheduler(tmp_path / "names", runner)
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(SchedulerError) as refusal:
        await scheduler.submit(SPEC, work)
    assert isinstance(refusal.value, SchedulerUnreachable) == may_pass
    assert str(refusal.value).startswith(
        f"The script {tmp_path}/tw42-a-1.sh cannot be written: {said}"
    )
