"""What `status` says besides what the daemon shows."""

import pytest

from torc_watch.core.orders import Choices
from torc_watch.interfaces.inspecting import choices_text


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (Choices(), "All is as configured."),
        (
            Choices(auto_recover=True, max_retries=5, memory_multiplier=2.0, poll_interval=1e6),
            "--auto-recover --max-retries 5 --memory-multiplier 2 --poll-interval 1000000",
        ),
        (Choices(auto_recover=False, retry_unknown=False), "--no-auto-recover --no-retry-unknown"),
        (Choices(output_dir="/scratch/a b"), "--output-dir '/scratch/a b'"),
        (Choices(recovery_hook=("notify", "-v")), "--recovery-hook 'notify -v'"),
    ],
)
def test_what_was_asked_for_as_it_could_be_typed(choices: Choices, words: str) -> None:
    said = choices_text(choices)
    assert words in said
    assert said.endswith("as configured.")
