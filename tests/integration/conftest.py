"""What every test of this folder leaves behind is cleared away."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def close_runner_logs() -> Iterator[None]:
    """Closes the logs of job runners that ran in this process.

    A runner keeps its log open until its process ends, and a process with such a log is taken for a
    live runner: later tests would wait for pytest itself.
    """
    yield
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # the descriptor that listed them
            if descriptor.readlink().name.startswith("job_runner_"):
                os.close(int(descriptor.name))
