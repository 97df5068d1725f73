"""docs/specifications.md lists what is left out of a specification, and why."""

from pathlib import Path

import pytest

from torc_watch.core.units import format_memory
from torc_watch.spec import bounded_text, keys, server_limits

PAGE = (Path(__file__).parents[2] / "docs" / "specifications.md").read_text()


@pytest.mark.parametrize(
    ("place", "keys_there"),
    [
        ("workflow", keys.UNSUPPORTED_IN_WORKFLOW),
        ("job", keys.UNSUPPORTED_IN_JOB),
        ("file", keys.UNSUPPORTED_IN_FILE),
    ],
)
def test_each_key_that_is_left_out_is_listed(place: str, keys_there: dict[str, str]) -> None:
    listed = [line for line in PAGE.splitlines() if line.startswith(f"| {place} | `")]
    assert listed == [f"| {place} | `{key}` | {why} |" for key, why in keys_there.items()]


@pytest.mark.parametrize(
    ("release", "ignored"),
    [("0.12", server_limits.IGNORED_BY_0_12), ("1.0", server_limits.IGNORED_BY_1_0)],
)
def test_each_setting_without_effect_is_listed(release: str, ignored: dict[str, str]) -> None:
    for key, meaning in ignored.items():
        assert f"| {release} | `{key}` | warning: {meaning} |" in PAGE


def test_size_of_a_specification_is_documented() -> None:
    assert format_memory(bounded_text.MAX_SIZE) == "64m"
    assert "A specification may have 64 MiB" in PAGE
