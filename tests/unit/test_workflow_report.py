"""The options of a watch, and its allocations, as `status` shows them."""

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.model import Allocation, JobCounts, JobStatus
from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.workflow_report import live_text, options_text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (WatchOptions(), "Options: as configured."),
        (
            WatchOptions(
                auto_recover=True, max_retries=5, memory_multiplier=2.0, poll_interval=1e6
            ),
            "--auto-recover --max-retries 5 --memory-multiplier 2 --poll-interval 1000000",
        ),
        (
            WatchOptions(auto_recover=False, retry_unknown=False),
            "--no-auto-recover --no-retry-unknown",
        ),
        (WatchOptions(output_dir="/scratch/a b"), "--output-dir '/scratch/a b'"),
        (WatchOptions(recovery_hook=("notify", "-v")), "--recovery-hook 'notify -v'"),
    ],
)
def test_options_are_shown_as_command_line_options(options: WatchOptions, words: str) -> None:
    text = options_text(options)
    assert words in text
    assert text.endswith("as configured.")


@pytest.mark.parametrize(
    ("state", "detail", "words"),
    [
        (AllocationState.UNKNOWN, "node n3 failed", "  slurm 7: active, unknown: node n3 failed"),
        (AllocationState.UNKNOWN, "", "  slurm 7: active, unknown"),
        (AllocationState.ALIVE, "", "  slurm 7: active, alive"),
    ],
)
def test_allocation_says_why_its_state_is_unknown(
    state: AllocationState, detail: str, words: str
) -> None:
    row = Allocation(
        id=1, scheduler_id=7, scheduler_config_id=1, scheduler_type="slurm", status="active"
    )
    status = AllocationStatus(state=state, detail=detail)
    counts = JobCounts(by_status={JobStatus.RUNNING: 1})

    assert list(live_text(counts, [(row, status)], []))[2] == words
