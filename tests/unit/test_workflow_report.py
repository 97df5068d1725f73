"""What `status` says besides what the daemon shows."""

import pytest

from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.workflow_report import choices_text


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (WatchOptions(), "All is as configured."),
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
def test_what_was_asked_for_as_it_could_be_typed(choices: WatchOptions, words: str) -> None:
    said = choices_text(choices)
    assert words in said
    assert said.endswith("as configured.")
