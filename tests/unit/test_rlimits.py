"""Raising the limit on open files."""

import json
import subprocess
import sys

import pytest

from torc_watch.host.rlimits import raise_open_file_limit

_PROGRAM = """
import json, resource, sys
from torc_watch.host.rlimits import raise_open_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
raise_open_file_limit()
print(json.dumps(resource.getrlimit(resource.RLIMIT_NOFILE)))
"""


@pytest.mark.parametrize(
    ("soft", "hard"),
    [(256, 2048), (2048, 2048)],
    ids=["below the hard limit", "at the hard limit"],
)
def test_soft_limit_is_raised_to_the_hard_limit(soft: int, hard: int) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(soft), str(hard)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(output) == [hard, hard]


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [(1024, 1_048_576, 65_536), (1024, -1, 65_536), (100_000, -1, None), (-1, -1, None)],
    ids=["capped", "no hard limit", "soft limit is higher", "no limits"],
)
def test_limit_is_raised_to_65536_at_most(
    soft: int, hard: int, raised: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: asked.append(limits))
    raise_open_file_limit()
    assert asked == ([] if raised is None else [(raised, hard)])
