"""The options of a watch, as `status` shows them."""

import pytest

from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.workflow_report import options_text


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
